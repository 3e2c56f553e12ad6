"""What those who got a run's message did afterwards, by distinct member.

Signs of life and purchases of the window are read, and for each of them the delivery is looked up
by key: the cost is that of who did something, not of who was written to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from string import Formatter
from typing import Any

from django.db import connection

from campaigns.models import Run
from campaigns.rules.experiments import HOLD_OUT
from campaigns.rules.reports import WINDOW_HOURS
from campaigns.rules.statistics import Moments
from campaigns.rules.status import BroadcastTarget
from campaigns.selectors.arms import NO_ARM, Arms
from campaigns.selectors.values import CURRENCY
from members.rules.activity import ActivityKind
from scrm.shared.sql import Sql, sql

# Whoever got it, and when. LIMIT keeps these look-ups by key: without it the planner may prefer to
# read a whole run.
GOT_BY_MEMBER = """
    SELECT delivery.recipient_id, delivery.settled_at + {} AS got_at
    FROM campaigns_delivery delivery
    WHERE delivery.run_id = {} AND delivery.recipient_id = act.member_id
      AND delivery.status = 'delivered'
    LIMIT 1
"""
GOT_BY_CHAT = """
    SELECT delivery.recipient_id, delivery.settled_at + {} AS got_at
    FROM members_stay stay
    JOIN campaigns_delivery delivery
      ON delivery.run_id = {} AND delivery.recipient_id = stay.chat_id
      AND delivery.status = 'delivered'
    WHERE stay.member_id = act.member_id AND stay.joined_at <= delivery.settled_at
      AND (stay.left_at IS NULL OR stay.left_at > delivery.settled_at)
    ORDER BY delivery.settled_at, delivery.recipient_id LIMIT 1
"""

COMMUNITY_OF_MEMBER = """
    SELECT min(membership.community_id) FROM members_membership membership
    WHERE membership.member_id = person.recipient_id AND membership.community_id = ANY({})
      AND (membership.left_at IS NULL OR membership.left_at > {})
"""
COMMUNITY_OF_CHAT = """
    SELECT chat.community_id FROM communities_groupchat chat WHERE chat.id = person.recipient_id
"""

REACTIONS = """
WITH act AS MATERIALIZED (
    SELECT act.member_id, got.recipient_id, act.kind = {click} AS is_click, act.occurred_at
    FROM members_activityevent act CROSS JOIN LATERAL ({got}) got
    WHERE act.enterprise_id = {enterprise} AND act.community_id = ANY({communities})
      AND act.occurred_at > {began} AND act.occurred_at <= {until}
      AND act.occurred_at > got.got_at AND act.occurred_at <= got.got_at + {window}
), clicked AS (
    SELECT member_id, min(occurred_at) AS at FROM act WHERE is_click GROUP BY member_id
), acted AS (
    SELECT act.member_id, min(act.recipient_id) AS recipient_id, min(clicked.at) AS clicked_at,
           bool_or(NOT act.is_click) AS has_interacted,
           min(act.occurred_at) FILTER (WHERE NOT act.is_click AND act.occurred_at >= clicked.at)
               AS then_interacted_at
    FROM act LEFT JOIN clicked USING (member_id) GROUP BY act.member_id
), bought AS (
    SELECT act.member_id, min(got.recipient_id) AS recipient_id, count(*) AS orders,
           sum(act.paid_amount - act.refunded_amount) AS net, max(act.paid_at) AS last_at
    FROM members_purchase act CROSS JOIN LATERAL ({got}) got
    WHERE act.enterprise_id = {enterprise} AND act.currency = {currency}
      AND act.paid_at > {began} AND act.paid_at <= {until}
      AND act.paid_at > got.got_at AND act.paid_at <= got.got_at + {window}
      AND act.refunded_amount < act.paid_amount
    GROUP BY act.member_id
), person AS (
    SELECT coalesce(acted.recipient_id, bought.recipient_id) AS recipient_id,
           clicked_at IS NOT NULL AS has_clicked, coalesce(has_interacted, FALSE) AS has_interacted,
           then_interacted_at IS NOT NULL AS then_interacted,
           orders IS NOT NULL AS has_ordered,
           coalesce(last_at >= then_interacted_at, FALSE) AS then_ordered,
           coalesce(orders, 0) AS orders, coalesce(net, 0) AS net
    FROM acted FULL JOIN bought USING (member_id)
)
SELECT ({community}) AS community_id, {arm} AS arm,
       count(*) FILTER (WHERE has_clicked), count(*) FILTER (WHERE has_interacted),
       count(*) FILTER (WHERE has_ordered), count(*) FILTER (WHERE has_clicked OR has_interacted),
       count(*) FILTER (WHERE then_interacted), count(*) FILTER (WHERE then_ordered),
       sum(orders), sum(net)
FROM person GROUP BY 1, 2
"""

# A dispatch holds recipients of one community: of its first one we know of which.
REACHED_MEMBERS = """
SELECT coalesce(person.community_id, 0), dispatch.arm, sum(dispatch.delivered_count)
FROM campaigns_dispatch dispatch CROSS JOIN LATERAL (
    SELECT min(membership.community_id) AS community_id FROM members_membership membership
    WHERE membership.member_id = dispatch.recipient_ids[1]
      AND membership.community_id = ANY({communities})
      AND (membership.left_at IS NULL OR membership.left_at > {began})
) person
WHERE dispatch.run_id = {run} AND dispatch.delivered_count > 0
GROUP BY 1, 2
"""

REACHED_CHATS = """
SELECT coalesce(chat.community_id, 0), {arm}, sum(chat.member_count)
FROM campaigns_delivery person JOIN communities_groupchat chat ON chat.id = person.recipient_id
WHERE person.run_id = {run} AND person.status = 'delivered'
GROUP BY 1, 2
"""

# By the counters: somebody tried again stands in two dispatches.
ASSIGNED = """
SELECT arm, sum(CASE WHEN status IN ('pending', 'leased') THEN cardinality(recipient_ids)
    ELSE delivered_count + awaiting_count + failed_count + suppressed_count
       + cancelled_count + expired_count END)
FROM campaigns_dispatch WHERE run_id = {} AND arm IS NOT NULL GROUP BY arm
"""

# Everybody of an arm, whatever became of the message: what was drawn by lot is compared, not what
# was reached.
SPENT_BY_MEMBER = """
    SELECT delivery.recipient_id FROM campaigns_delivery delivery
    WHERE delivery.run_id = {run} AND delivery.recipient_id = act.member_id LIMIT 1
"""
SPENT_BY_CHAT = """
    SELECT delivery.recipient_id
    FROM members_stay stay
    JOIN campaigns_delivery delivery
      ON delivery.run_id = {run} AND delivery.recipient_id = stay.chat_id
    WHERE stay.member_id = act.member_id AND stay.joined_at <= {began}
      AND (stay.left_at IS NULL OR stay.left_at > {began})
    ORDER BY delivery.recipient_id LIMIT 1
"""
SPENT = """
SELECT arm, sum(net), sum(net * net) FROM (
    SELECT {arm} AS arm, sum(net) AS net FROM (
        SELECT person.recipient_id, act.paid_amount - act.refunded_amount AS net
        FROM members_purchase act CROSS JOIN LATERAL ({person}) person
        WHERE act.enterprise_id = {enterprise} AND act.currency = {currency}
          AND act.paid_at > {began} AND act.paid_at <= {until}
    ) person GROUP BY person.recipient_id
) spent GROUP BY arm
"""

ARMS_OF = "SELECT person.recipient_id, {arm} FROM unnest({ids}::bigint[]) person (recipient_id)"


FORMATTER = Formatter()


@dataclass(frozen=True, slots=True)
class Reactions:
    """What the people of one community and one arm did within the window after the message:
    how many did each thing at all, and how many did it after the step before."""

    community_id: int | None
    arm: int | None
    clicked: int = 0
    interacted: int = 0
    ordered: int = 0
    reacted: int = 0
    then_interacted: int = 0
    then_ordered: int = 0
    orders: int = 0
    sales_amount: int = 0


@dataclass(frozen=True, slots=True)
class Reached:
    community_id: int | None
    arm: int | None
    people: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What is asked about a run, and as of when."""

    run: Run
    arms: Arms | None
    community_ids: list[int]
    began_at: datetime
    now: datetime
    ahead: timedelta

    @property
    def to_chats(self) -> bool:
        return self.run.broadcast.target == BroadcastTarget.CHATS

    @property
    def arm(self) -> Sql:
        return NO_ARM if self.arms is None else self.arms.sql("person.recipient_id")

    @property
    def values(self) -> dict[str, Sql]:
        named: dict[str, object] = {
            "run": self.run.pk,
            "enterprise": self.run.broadcast.enterprise_id,
            "communities": self.community_ids,
            "currency": CURRENCY,
            "click": ActivityKind.CLICK.value,
            "began": self.began_at,
            "until": self.now,
            "window": timedelta(hours=WINDOW_HOURS),
        }
        return {name: Sql("%s", (value,)) for name, value in named.items()} | {"arm": self.arm}


def reactions_of(measured: Measured) -> list[Reactions]:
    got = sql(GOT_BY_CHAT if measured.to_chats else GOT_BY_MEMBER, measured.ahead, measured.run.pk)
    community = (
        Sql(COMMUNITY_OF_CHAT)
        if measured.to_chats
        else sql(COMMUNITY_OF_MEMBER, measured.community_ids, measured.began_at)
    )
    rows = _rows(filled(REACTIONS, **measured.values, got=got, community=community))
    return [Reactions(row[0], row[1], *(int(one) for one in row[2:])) for row in rows]


def reached_by(measured: Measured) -> list[Reached]:
    """How many people got the message; with chats as recipients, how many are in them."""
    statement = REACHED_CHATS if measured.to_chats else REACHED_MEMBERS
    rows = _rows(filled(statement, **measured.values))
    return [Reached(community or None, arm, int(people)) for community, arm, people in rows]


def spending_by_arm(measured: Measured) -> dict[int, Moments]:
    """Net purchases per recipient of each arm within the window after the run began; nothing
    where there is no hold-out to compare with."""
    sizes = {arm: int(size) for arm, size in _rows(sql(ASSIGNED, measured.run.pk))}
    if not sizes.get(HOLD_OUT):
        return {}
    until = min(measured.now, measured.began_at + timedelta(hours=WINDOW_HOURS))
    values = measured.values | {"until": Sql("%s", (until,))}
    person = filled(SPENT_BY_CHAT if measured.to_chats else SPENT_BY_MEMBER, **values)
    spent = {
        arm: (float(net), float(squares))
        for arm, net, squares in _rows(filled(SPENT, **values, person=person))
    }
    return {arm: Moments(size, *spent.get(arm, (0.0, 0.0))) for arm, size in sizes.items()}


def arms_of_recipients(measured: Measured, ids: list[int]) -> dict[int, int | None]:
    if measured.arms is None or not ids:
        return dict.fromkeys(ids)
    return dict(_rows(filled(ARMS_OF, arm=measured.arm, ids=Sql("%s", (ids,)))))


def filled(template: str, **parts: Sql) -> Sql:
    """Put pieces where their names stand in a template, as often as they do."""
    params: list[object] = []
    texts: list[str] = []
    for text, name, _spec, _conversion in FORMATTER.parse(template):
        texts.append(text)
        if name:
            texts.append(parts[name].text)
            params += parts[name].params
    return Sql("".join(texts), tuple(params))


def _rows(statement: Sql) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        rows: list[Any] = cursor.fetchall()
        return rows
