"""Alerts about members who are about to fall silent: raised, and worked on by people."""

from __future__ import annotations

import logging
from datetime import date, datetime, time, timedelta

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.errors import AlertIsHeldOut, CannotMoveAlert, ReasonMissing
from campaigns.models import ChurnAlert, WinbackPolicy
from campaigns.rules.alerts import RECENT_DAYS, VALUE_DAYS
from campaigns.rules.status import AlertCause, AlertStatus, ValueBasis, alert_may_become
from campaigns.selectors.winback import policy_of
from campaigns.services.winback_ends import call_off_winbacks
from communities.models import Community
from members.metrics import CURRENCY
from members.selectors.profiling import may_be_profiled
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.sql import Sql, named_sql, sql

logger = logging.getLogger(__name__)

SLICE = 50_000  # scores looked at in one transaction

# Who was seen lately and still belongs, and what they are worth. Of a slice each table reads its
# own range of members.
SEEN = """
    SELECT score.id, score.member_id, score.probability,
           coalesce(value.clv_amount, value.spent_year_amount, year.amount, 0)::bigint AS amount,
           value.clv_amount IS NOT NULL AS is_predicted
    FROM members_churnscore score
    LEFT JOIN members_membervalue value
      ON value.member_id = score.member_id AND value.{within}
    LEFT JOIN LATERAL (
        SELECT sum(bought.net_amount) AS amount FROM members_purchaseday bought
        WHERE value.member_id IS NULL AND bought.member_id = score.member_id
          AND bought.currency = {currency} AND bought.day > {valued_after}
    ) year ON TRUE
    WHERE score.community_id = {community} AND score.scored_on = {on}
      AND score.last_active_on > {seen_after} AND score.{within}
      AND EXISTS (
          SELECT FROM members_membership membership
          WHERE membership.community_id = score.community_id
            AND membership.member_id = score.member_id AND membership.left_at IS NULL
            AND membership.{within}
      )
"""

# The least that is at stake with those with whom most is. Ranked are numbers only.
LEAST_OF_THE_DEAREST = """
SELECT min(stake) FROM (
    SELECT probability * amount AS stake, count(*) OVER () AS whole,
           rank() OVER (ORDER BY probability * amount DESC) AS place
    FROM ({seen}) seen
) ranked
WHERE stake > 0 AND place <= floor(whole * {top_share}::float8)
"""

NEXT_SLICE = """
SELECT max(member_id) FROM (
    SELECT member_id FROM members_churnscore
    WHERE community_id = {community} AND member_id > {after}
    ORDER BY member_id LIMIT {slice}
) slice
"""

# No member passes through Python. The unique index "one_open_alert" is the gate; the NOT EXISTS is
# the cooldown. Who is held out is drawn as ``campaigns.rules.alerts.is_held_out`` does.
OPEN_ALERTS = """
WITH chosen AS MATERIALIZED (
    SELECT id, member_id, amount, is_predicted,
           CASE WHEN probability >= {threshold} THEN {likely} ELSE {dear} END AS cause
    FROM ({seen}) seen
    WHERE (probability >= {threshold} OR probability * amount >= {least_stake}::float8)
      AND NOT EXISTS (
          SELECT FROM campaigns_churnalert earlier
          WHERE earlier.member_id = seen.member_id AND earlier.community_id = {community}
            AND (earlier.closed_at IS NULL OR earlier.closed_at >= {rested_from})
      )
)
INSERT INTO campaigns_churnalert (
    enterprise_id, community_id, member_id, assignee_id, status, probability, value_amount,
    value_basis, cause, is_held_out, reasons, last_active_on, model_version, opened_on, note
)
SELECT
    score.enterprise_id, score.community_id, score.member_id,
    coalesce(adviser.id, owner.id, chat_owner.id),
    {open}, score.probability, chosen.amount,
    CASE WHEN chosen.is_predicted THEN {clv} ELSE {spent} END, chosen.cause,
    mod(('x' || left(md5(concat_ws(':', 'winback', score.member_id, score.community_id,
        to_char(score.scored_on, 'YYYY-MM-DD'))), 8))::bit(32)::bigint, 100) < {holdout},
    score.reasons, score.last_active_on, score.model_version, score.scored_on, ''
FROM chosen
JOIN members_churnscore score ON score.id = chosen.id
JOIN communities_community community ON community.id = score.community_id
LEFT JOIN accounts_staff adviser ON adviser.id = community.adviser_id AND adviser.is_active
LEFT JOIN accounts_staff owner ON owner.id = community.owner_id AND owner.is_active
LEFT JOIN LATERAL (
    SELECT staff.id FROM members_stay stay
    JOIN communities_groupchat chat ON chat.id = stay.chat_id
    JOIN accounts_staff staff ON staff.id = chat.owner_id AND staff.is_active
    WHERE adviser.id IS NULL AND owner.id IS NULL AND stay.member_id = score.member_id
      AND stay.left_at IS NULL AND chat.community_id = score.community_id
    ORDER BY stay.id LIMIT 1
) chat_owner ON TRUE
WHERE {may_be_profiled}
ON CONFLICT DO NOTHING
"""


def open_churn_alerts(community_id: int, on: date) -> int:
    """Raise an alert for everybody whom the scores of that day see falling silent.

    Raised once: while an alert is open, and for a while after it was closed, there is no other
    about the same member in the same community. In slices, each with its transaction: whoever dies
    halfway is followed by the sweep. Returns how many are new, with those that are held out.
    """
    community = Community.objects.select_related("enterprise").get(pk=community_id)
    policy = policy_of(community.enterprise_id, community_id)
    values = values_of(community, policy, on=on)
    least = least_of_the_dearest(values, policy) if policy.top_percent else None
    opened, after = 0, 0
    while through := number_of(named_sql(NEXT_SLICE, **values, after=after, slice=SLICE)):
        opened += open_slice(values, least_stake=least, after=after, through=int(through))
        after = int(through)
    if opened:
        logger.info(
            "Churn alerts opened.", extra={"community_id": community_id, "alert_count": opened}
        )
    return opened


def least_of_the_dearest(values: dict[str, object], policy: WinbackPolicy) -> float | None:
    """What is at stake with the last of those with whom most is; None where nothing is."""
    seen = named_sql(SEEN, **values, within=Sql("member_id > 0"))
    share = policy.top_percent / 100
    return number_of(named_sql(LEAST_OF_THE_DEAREST, seen=seen, top_share=share))


@transaction.atomic
def open_slice(
    values: dict[str, object], *, least_stake: float | None, after: int, through: int
) -> int:
    within = sql("member_id BETWEEN {} AND {}", after + 1, through)
    seen = named_sql(SEEN, **values, within=within)
    statement = named_sql(OPEN_ALERTS, **values, seen=seen, least_stake=least_stake)
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        opened: int = cursor.rowcount
    return opened


def number_of(statement: Sql) -> float | None:
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        (number,) = cursor.fetchone()
    return None if number is None else float(number)


def values_of(community: Community, policy: WinbackPolicy, *, on: date) -> dict[str, object]:
    """What stands in the statements above."""
    enterprise = community.enterprise
    start = datetime.combine(on, time.min, tzinfo=enterprise.zone)
    return {
        "community": community.pk,
        "on": on,
        "currency": CURRENCY,
        "seen_after": on - timedelta(days=RECENT_DAYS),
        "valued_after": on - timedelta(days=VALUE_DAYS),
        "open": AlertStatus.OPEN.value,
        "likely": AlertCause.THRESHOLD.value,
        "dear": AlertCause.TOP_VALUE.value,
        "clv": ValueBasis.CLV.value,
        "spent": ValueBasis.SPENT.value,
        "threshold": policy.threshold_percent / 100,
        "holdout": policy.holdout_percent,
        "rested_from": start - timedelta(days=policy.cooldown_days),
        "may_be_profiled": may_be_profiled(enterprise, "chosen.member_id"),
    }


@transaction.atomic
def acknowledge_alert(alert_id: int, *, actor: User) -> ChurnAlert:
    """Take an alert on. It becomes the actor's own, if the actor is a colleague with customers."""
    alert = locked_alert(alert_id, actor=actor)
    fields = ["status", "assignee_id"]
    before = snapshot(alert, fields)
    move(alert, AlertStatus.ACKNOWLEDGED)
    alert.assignee_id = actor.staff_id or alert.assignee_id
    return saved(alert, fields, verb="acknowledge_alert", before=before, actor=actor)


@transaction.atomic
def start_intervening(alert_id: int, *, actor: User) -> ChurnAlert:
    """Say that somebody is talking to the member."""
    alert = locked_alert(alert_id, actor=actor)
    fields = ["status", "assignee_id"]
    before = snapshot(alert, fields)
    move(alert, AlertStatus.INTERVENING)
    alert.assignee_id = alert.assignee_id or actor.staff_id
    return saved(alert, fields, verb="start_intervening", before=before, actor=actor)


@transaction.atomic
def dismiss_alert(alert_id: int, *, reason: str, actor: User) -> ChurnAlert:
    """Close an alert as not worth pursuing. The member is left in peace during the cooldown; what
    becomes of them is recorded all the same."""
    reason = reason.strip()
    if not reason:
        raise ReasonMissing(_("请写明忽略的原因。"))
    alert = locked_alert(alert_id, actor=actor)
    fields = ["status", "note", "closed_at"]
    before = snapshot(alert, fields)
    move(alert, AlertStatus.DISMISSED)
    alert.note = reason
    alert.closed_at = timezone.now()
    call_off_winbacks(ChurnAlert.objects.filter(pk=alert.pk))
    return saved(alert, fields, verb="dismiss_alert", before=before, actor=actor)


def locked_alert(alert_id: int, *, actor: User) -> ChurnAlert:
    alerts = ChurnAlert.objects.within(actor)
    alert = alerts.select_for_update(no_key=True, of=("self",)).get(pk=alert_id)
    if alert.is_held_out:
        raise AlertIsHeldOut(_("这条预警是不干预的对照，不能处理：它用来知道挽回是不是真的有用。"))
    return alert


def move(alert: ChurnAlert, target: AlertStatus) -> None:
    if not alert_may_become(alert.status, target):
        message = _("“%(status)s”的预警不能改为“%(target)s”。")
        names = {"status": alert.get_status_display(), "target": target.label}
        raise CannotMoveAlert(message % names)
    alert.status = target


def saved(
    alert: ChurnAlert, fields: list[str], *, verb: str, before: dict[str, object], actor: User
) -> ChurnAlert:
    alert.save(update_fields=fields)
    record_audit(actor, verb=verb, subject=alert, before=before, after=snapshot(alert, fields))
    return alert
