"""What the messages of a period did to the people of one community, by distinct member.

Deliveries of the runs that told the community something are read once, and narrowed to its people;
of what those did, only the window after each message is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import connection

from campaigns.models import CommunityPost
from campaigns.rules.reach import REHEARSAL
from campaigns.rules.reports import WINDOW_HOURS
from campaigns.rules.status import BroadcastTarget
from campaigns.selectors.values import CURRENCY
from communities.models import Community
from members.models import ActivityCoverage
from members.rules.activity import ActivityKind
from scrm.shared.sql import named_sql


class Step(StrEnum):
    SENT = "sent"
    DELIVERED = "delivered"
    CLICKED = "clicked"
    INTERACTED = "interacted"
    SHARED = "shared"
    ORDERED = "ordered"


#: What only activity that is measured can tell.
NEEDS_ACTIVITY = frozenset({Step.CLICKED, Step.INTERACTED, Step.SHARED})


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """``people`` did it within the window after a message, ``in_order`` did so after the step
    before. Both are None where nobody measured it."""

    step: Step
    people: int | None
    in_order: int | None


@dataclass(frozen=True, slots=True)
class CommunityFunnel:
    """``is_rehearsal``: nothing real was sent in the period, so this is what was tried out."""

    run_count: int
    window_hours: int
    steps: list[FunnelStep]
    is_rehearsal: bool = False


# A chat's people are those who were in it when the message came.
FUNNEL = """
WITH sent AS (
    SELECT delivery.run_id, delivery.recipient_id AS member_id,
           delivery.settled_at AS got_at, delivery.status = 'delivered' AS got
    FROM campaigns_delivery delivery
    JOIN members_membership here
      ON here.community_id = {community} AND here.member_id = delivery.recipient_id
    WHERE delivery.run_id = ANY({to_members})
      AND here.joined_at <= coalesce(delivery.settled_at, statement_timestamp())
      AND (here.left_at IS NULL OR here.left_at > coalesce(delivery.settled_at, {since}))
    UNION ALL
    SELECT delivery.run_id, stay.member_id,
           delivery.settled_at, delivery.status = 'delivered'
    FROM campaigns_delivery delivery
    JOIN communities_groupchat chat
      ON chat.id = delivery.recipient_id AND chat.community_id = {community}
    JOIN members_stay stay ON stay.chat_id = chat.id
    WHERE delivery.run_id = ANY({to_chats})
      AND stay.joined_at <= coalesce(delivery.settled_at, statement_timestamp())
      AND (stay.left_at IS NULL OR stay.left_at > coalesce(delivery.settled_at, {since}))
), got AS MATERIALIZED (
    SELECT run_id, member_id, min(got_at) AS at FROM sent WHERE got GROUP BY run_id, member_id
), act AS MATERIALIZED (
    SELECT got.run_id, got.member_id, act.kind, act.occurred_at AS at
    FROM members_activityevent act JOIN got ON got.member_id = act.member_id
      AND act.occurred_at > got.at AND act.occurred_at <= got.at + {window}
    WHERE act.enterprise_id = {enterprise} AND act.community_id = {community}
      AND act.occurred_at >= {since} AND act.occurred_at < {until} + 2 * {window}
), bought AS MATERIALIZED (
    SELECT got.run_id, got.member_id, max(bought.paid_at) AS at
    FROM members_purchase bought JOIN got ON got.member_id = bought.member_id
      AND bought.paid_at > got.at AND bought.paid_at <= got.at + {window}
    WHERE bought.enterprise_id = {enterprise} AND bought.currency = {currency}
      AND bought.refunded_amount < bought.paid_amount
      AND bought.paid_at >= {since} AND bought.paid_at < {until} + 2 * {window}
    GROUP BY got.run_id, got.member_id
), clicked AS (
    SELECT run_id, member_id, min(at) AS at FROM act WHERE kind = {click} GROUP BY 1, 2
), interacted AS (
    SELECT act.run_id, act.member_id, min(act.at) AS at FROM act
    JOIN clicked USING (run_id, member_id)
    WHERE act.kind <> {click} AND act.at >= clicked.at GROUP BY 1, 2
), shared AS (
    SELECT act.run_id, act.member_id, min(act.at) AS at FROM act
    JOIN interacted USING (run_id, member_id)
    WHERE act.kind = {share} AND act.at >= interacted.at GROUP BY 1, 2
)
SELECT (SELECT count(DISTINCT member_id) FROM sent),
       (SELECT count(DISTINCT member_id) FROM got),
       (SELECT count(DISTINCT member_id) FROM clicked),
       (SELECT count(DISTINCT member_id) FROM act WHERE kind <> {click}),
       (SELECT count(DISTINCT member_id) FROM act WHERE kind = {share}),
       (SELECT count(DISTINCT member_id) FROM bought),
       (SELECT count(DISTINCT member_id) FROM interacted),
       (SELECT count(DISTINCT member_id) FROM shared),
       (SELECT count(DISTINCT bought.member_id) FROM bought
          JOIN interacted USING (run_id, member_id) WHERE bought.at >= interacted.at)
"""


def community_funnel(community: Community, *, since: datetime, until: datetime) -> CommunityFunnel:
    """Sent, delivered, clicked, interacted, shared, ordered: of the messages that the community
    was told from ``since`` until before ``until``, each within ``WINDOW_HOURS`` after it came.

    In order: an interaction after a click, a share after an interaction. Sharing is no condition
    of an order: that is counted after an interaction. Rehearsals reached nobody: they count only
    where nothing else was sent.
    """
    posts = CommunityPost.objects.filter(
        community=community, posted_at__gte=since, posted_at__lt=until
    )
    rehearsal = {"run__broadcast__channel_account__kind": REHEARSAL}
    real, tried = posts.exclude(**rehearsal), posts.filter(**rehearsal)
    targets = dict(real.values_list("run", "run__broadcast__target"))
    is_rehearsal = not targets and tried.exists()
    if is_rehearsal:
        targets = dict(tried.values_list("run", "run__broadcast__target"))
    statement = named_sql(
        FUNNEL,
        community=community.pk,
        enterprise=community.enterprise_id,
        to_members=[run for run, to in targets.items() if to == BroadcastTarget.MEMBERS],
        to_chats=[run for run, to in targets.items() if to == BroadcastTarget.CHATS],
        since=since,
        until=until,
        window=timedelta(hours=WINDOW_HOURS),
        click=ActivityKind.CLICK.value,
        share=ActivityKind.SHARE.value,
        currency=CURRENCY,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        sent, got, clicked, acted, shared, bought, *in_order = map(int, cursor.fetchone())
    then_acted, then_shared, then_bought = in_order
    counts = [
        (Step.SENT, sent, sent),
        (Step.DELIVERED, got, got),
        (Step.CLICKED, clicked, clicked),
        (Step.INTERACTED, acted, then_acted),
        (Step.SHARED, shared, then_shared),
        (Step.ORDERED, bought, then_bought),
    ]
    is_measured = _is_measured(community, since, until)
    return CommunityFunnel(
        run_count=len(targets),
        window_hours=WINDOW_HOURS,
        steps=[_step(*count, is_measured=is_measured) for count in counts],
        is_rehearsal=is_rehearsal,
    )


def _step(step: Step, people: int, in_order: int, *, is_measured: bool) -> FunnelStep:
    if step in NEEDS_ACTIVITY and not is_measured:
        return FunnelStep(step, None, None)
    if step is Step.ORDERED and not is_measured:
        return FunnelStep(step, people, None)
    return FunnelStep(step, people, in_order)


def _is_measured(community: Community, since: datetime, until: datetime) -> bool:
    """Whether anything told us of activity there at some time of the period."""
    return ActivityCoverage.objects.filter(
        community=community, covered_from__lt=until, covered_to__gt=since
    ).exists()
