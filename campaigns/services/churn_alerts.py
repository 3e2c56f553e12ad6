"""Alerts about members who are about to fall silent: raised, worked on, settled."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, F, Max, OuterRef, Subquery
from django.db.models.functions import Now, TruncDate
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.errors import CannotMoveAlert, ReasonMissing
from campaigns.models import ChurnAlert
from campaigns.rules.alerts import (
    COOLDOWN_DAYS,
    PROBABILITY_THRESHOLD,
    RECENT_DAYS,
    VALUE_DAYS,
    outcome_of,
)
from campaigns.rules.status import AlertStatus, alert_may_become
from communities.models import Community
from members.metrics import CURRENCY
from members.models import ActivityCoverage, ChurnScore, MemberDay, Membership
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot

logger = logging.getLogger(__name__)

SLICE = 5000  # alerts settled in one transaction
ONE_DAY = timedelta(days=1)

# One statement, so that a community of any size is one pass and no member passes through Python.
# The unique index "one_open_alert" is the gate; the NOT EXISTS is the cooldown.
OPEN_ALERTS = """
INSERT INTO campaigns_churnalert (
    enterprise_id, community_id, member_id, assignee_id, status, probability, value_amount,
    reasons, last_active_on, model_version, opened_on, note
)
SELECT
    score.enterprise_id, score.community_id, score.member_id,
    COALESCE(adviser.id, owner.id),
    %(open)s, score.probability, COALESCE(worth.amount, 0),
    score.reasons, score.last_active_on, score.model_version, score.scored_on, ''
FROM members_churnscore score
JOIN communities_community community ON community.id = score.community_id
LEFT JOIN accounts_staff adviser ON adviser.id = community.adviser_id AND adviser.is_active
LEFT JOIN accounts_staff owner ON owner.id = community.owner_id AND owner.is_active
LEFT JOIN LATERAL (
    SELECT SUM(purchase.paid_amount - purchase.refunded_amount) AS amount
    FROM members_purchase purchase
    WHERE purchase.member_id = score.member_id
      AND purchase.currency = %(currency)s
      AND purchase.paid_at >= %(valued_from)s
) worth ON true
WHERE score.community_id = %(community)s
  AND score.scored_on = %(on)s
  AND score.probability >= %(threshold)s
  AND score.last_active_on > %(seen_after)s
  AND EXISTS (
      SELECT FROM members_membership membership
      WHERE membership.community_id = score.community_id
        AND membership.member_id = score.member_id
        AND membership.left_at IS NULL
  )
  AND NOT EXISTS (
      SELECT FROM campaigns_churnalert earlier
      WHERE earlier.member_id = score.member_id
        AND earlier.community_id = score.community_id
        AND earlier.closed_at >= %(rested_from)s
  )
ON CONFLICT DO NOTHING
"""


@transaction.atomic
def open_churn_alerts(community_id: int, on: date) -> int:
    """Raise an alert for everybody whom the scores of that day see falling silent.

    Raised once: while an alert is open, and for a while after it was closed, there is no other
    about the same member in the same community. Returns how many are new.
    """
    community = Community.objects.select_related("enterprise").get(pk=community_id)
    start = datetime.combine(on, time.min, tzinfo=community.enterprise.zone)
    values: dict[str, str | int | float | date] = {
        "open": AlertStatus.OPEN,
        "community": community_id,
        "on": on,
        "threshold": PROBABILITY_THRESHOLD,
        "seen_after": on - timedelta(days=RECENT_DAYS),
        "rested_from": start - timedelta(days=COOLDOWN_DAYS),
        "valued_from": start - timedelta(days=VALUE_DAYS),
        "currency": CURRENCY,
    }
    with connection.cursor() as cursor:
        cursor.execute(OPEN_ALERTS, values)
        opened: int = cursor.rowcount
    if opened:
        logger.info(
            "Churn alerts opened.", extra={"community_id": community_id, "alert_count": opened}
        )
    return opened


@dataclass(frozen=True)
class Settled:
    recovered: int = 0
    churned: int = 0
    expired: int = 0

    def __add__(self, other: Settled) -> Settled:
        return Settled(
            self.recovered + other.recovered,
            self.churned + other.churned,
            self.expired + other.expired,
        )


def settle_churn_alerts(community_id: int, on: date) -> Settled:
    """Close the alerts of a community whose end can be told on that day. Asking twice, or late,
    gives the same ends."""
    community = Community.objects.select_related("enterprise").get(pk=community_id)
    measured_to = measured_through(community)
    total, last_pk = Settled(), 0
    while pks := next_open_alerts(community, after=last_pk):
        total += settle_slice(pks, community=community, measured_to=measured_to, on=on)
        last_pk = pks[-1]
    return total


def measured_through(community: Community) -> date | None:
    """The last day on which somebody listened to the community."""
    last = ActivityCoverage.objects.filter(community=community).aggregate(at=Max("covered_to"))
    return last["at"].astimezone(community.enterprise.zone).date() if last["at"] else None


def next_open_alerts(community: Community, *, after: int) -> list[int]:
    alerts = ChurnAlert.objects.open().filter(community=community, pk__gt=after)
    return list(alerts.order_by("pk").values_list("pk", flat=True)[:SLICE])


@transaction.atomic
def settle_slice(
    alert_ids: list[int], *, community: Community, measured_to: date | None, on: date
) -> Settled:
    ended: dict[AlertStatus, list[int]] = {status: [] for status in AlertStatus}
    for fate in fates_of(alert_ids, community=community, on=on):
        outcome = outcome_of(
            last_active_on=fate.last_active_on or fate.opened_on,
            seen_again_on=fate.seen_again_on,
            left_on=fate.left_on,
            measured_to=measured_to,
            on=on,
        )
        if outcome is not None:
            ended[outcome].append(fate.alert_id)
    return Settled(
        recovered=close(ended[AlertStatus.RECOVERED], AlertStatus.RECOVERED),
        churned=close(ended[AlertStatus.CHURNED], AlertStatus.CHURNED),
        expired=close(ended[AlertStatus.EXPIRED], AlertStatus.EXPIRED),
    )


class Fate(NamedTuple):
    """What became of the member of an alert: first seen again, and gone for good."""

    alert_id: int
    opened_on: date
    last_active_on: date | None
    seen_again_on: date | None
    left_on: date | None


def fates_of(alert_ids: list[int], *, community: Community, on: date) -> Iterator[Fate]:
    days = MemberDay.objects.filter(
        member=OuterRef("member"),
        community=community,
        day__gt=OuterRef("opened_on"),
        day__lte=on,
    )
    belonging = Membership.objects.filter(member=OuterRef("member"), community=community)
    rows = (
        ChurnAlert.objects.filter(pk__in=alert_ids)
        .annotate(
            seen_again_on=Subquery(days.order_by("day").values("day")[:1]),
            # who belongs today has not left: NULL comes first in descending order
            left_on=TruncDate(
                Subquery(belonging.order_by(F("left_at").desc()).values("left_at")[:1]),
                tzinfo=community.enterprise.zone,
            ),
        )
        .values_list("pk", "opened_on", "last_active_on", "seen_again_on", "left_on")
    )
    return (Fate(*row) for row in rows)


def close(alert_ids: list[int], outcome: AlertStatus) -> int:
    alerts = ChurnAlert.objects.open().filter(pk__in=alert_ids)
    return alerts.update(status=outcome, closed_at=Now())


def tend_churn_alerts(now: datetime) -> Settled:
    """Settle what can be settled and raise what was missed, community by community.

    The sweep behind the fast path: it needs nothing but the rows.
    """
    total = Settled()
    watched = Community.objects.filter(
        Exists(ChurnAlert.objects.open().filter(community=OuterRef("pk")))
        | Exists(ChurnScore.objects.filter(community=OuterRef("pk"), scored_on__gte=yesterday(now)))
    )
    for community in watched.select_related("enterprise").order_by("pk"):
        today = now.astimezone(community.enterprise.zone).date()
        try:
            total += settle_churn_alerts(community.pk, today)
            for day in (today - ONE_DAY, today):
                open_churn_alerts(community.pk, day)
        except DatabaseError:  # one community must not keep the others from being tended
            logger.exception("Churn alerts not tended.", extra={"community_id": community.pk})
    return total


def yesterday(now: datetime) -> date:
    return (now - 2 * ONE_DAY).date()  # wherever the enterprise is


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
    """Close an alert as not worth pursuing. The member is left in peace during the cooldown."""
    reason = reason.strip()
    if not reason:
        raise ReasonMissing(_("请写明忽略的原因。"))
    alert = locked_alert(alert_id, actor=actor)
    fields = ["status", "note", "closed_at"]
    before = snapshot(alert, fields)
    move(alert, AlertStatus.DISMISSED)
    alert.note = reason
    alert.closed_at = timezone.now()
    return saved(alert, fields, verb="dismiss_alert", before=before, actor=actor)


def locked_alert(alert_id: int, *, actor: User) -> ChurnAlert:
    alerts = ChurnAlert.objects.visible_to(actor)
    return alerts.select_for_update(no_key=True, of=("self",)).get(pk=alert_id)


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
