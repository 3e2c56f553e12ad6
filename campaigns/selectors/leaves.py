"""Who left after a run, and how many usually do.

Quits are few and have an index of their own; deliveries are looked up by key. Nothing here reads
an audience, except once per run to know how many belong to its communities.
Only who quits by himself counts: not who was removed, or whose chat was dissolved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from campaigns.models import Broadcast, Run
from campaigns.rules.breaker import HOURS_OF_DAY, USUAL_DAYS
from campaigns.rules.status import BroadcastTarget, DeliveryStatus
from members.rules.status import LeaveReason

EXPOSED = """
SELECT coalesce(sum(delivered_count), 0),
       min(coalesce(confirmed_at, attempted_at + %s * interval '1 second'))
           FILTER (WHERE delivered_count > 0)
FROM campaigns_dispatch WHERE run_id = %s
"""

PEOPLE_IN_CHATS = """
SELECT coalesce(sum(chat.member_count), 0)
FROM campaigns_delivery delivery JOIN communities_groupchat chat ON chat.id = delivery.recipient_id
WHERE delivery.run_id = %s AND delivery.status = %s
"""

MEMBERS_WHO_LEFT = """
SELECT quit.member_id, quit.member_id, min(quit.community_id), min(quit.left_at)
FROM members_membership quit
JOIN campaigns_delivery delivery
  ON delivery.run_id = %(run)s AND delivery.recipient_id = quit.member_id
CROSS JOIN LATERAL (
    SELECT delivery.settled_at + %(ahead)s * interval '1 second' AS at
) got
WHERE quit.community_id = ANY(%(units)s) AND quit.leave_reason = %(quit)s
  AND quit.left_at > %(began)s AND quit.left_at <= %(until)s
  AND quit.joined_at <= got.at
  AND quit.left_at > got.at AND quit.left_at <= got.at + %(window)s * interval '1 hour'
  AND delivery.status = %(delivered)s
GROUP BY quit.member_id
"""

# An owner sends when he confirms, which we hear of some time later.
PEOPLE_WHO_LEFT_CHATS = """
SELECT quit.member_id, min(got.chat_id), min(chat.community_id), min(quit.left_at)
FROM (
    SELECT delivery.recipient_id AS chat_id,
           min(least(
               delivery.settled_at + %(ahead)s * interval '1 second', dispatch.confirmed_at
           )) AS got_at
    FROM campaigns_dispatch dispatch
    CROSS JOIN unnest(dispatch.recipient_ids) AS recipient (id)
    JOIN campaigns_delivery delivery
      ON delivery.run_id = dispatch.run_id AND delivery.recipient_id = recipient.id
    WHERE dispatch.run_id = %(run)s AND dispatch.delivered_count > 0
      AND delivery.status = %(delivered)s
    GROUP BY delivery.recipient_id
) got
JOIN members_stay quit ON quit.chat_id = got.chat_id AND quit.leave_reason = %(quit)s
  AND quit.left_at > got.got_at AND quit.left_at <= got.got_at + %(window)s * interval '1 hour'
  AND quit.left_at <= %(until)s AND quit.joined_at <= got.got_at
JOIN communities_groupchat chat ON chat.id = got.chat_id
GROUP BY quit.member_id
"""

# A unit is a community, or a chat with its community. A day is 24 hours that end where the run
# began or whole days before; it is quiet for a unit without a message of another run.
USUAL = """
WITH unit (id, community_id, people) AS MATERIALIZED ({units}),
day (number, since) AS (
    SELECT number, %(began)s - number * interval '1 day' FROM generate_series(1, %(days)s) number
), quiet AS MATERIALIZED (
    SELECT unit.id, day.number
    FROM unit CROSS JOIN day
    WHERE NOT EXISTS (
        SELECT FROM campaigns_communitypost post
        WHERE post.community_id = unit.community_id AND post.run_id <> %(run)s
          AND post.posted_at >= day.since AND post.posted_at < day.since + interval '1 day'
    )
), quit AS (
    SELECT unit.id, day.number,
           floor(extract(epoch FROM gone.left_at - day.since) / 3600)::int AS hour
    FROM unit CROSS JOIN day
    JOIN {table} gone ON gone.{column} = unit.id AND gone.leave_reason = %(quit)s
      AND gone.left_at >= day.since AND gone.left_at < day.since + interval '1 day'
)
SELECT (SELECT coalesce(sum(people), 0) FROM unit),
       (SELECT count(DISTINCT number) FROM quiet),
       (SELECT coalesce(sum(unit.people), 0) FROM quiet JOIN unit USING (id)),
       (SELECT json_object_agg(hour, quits) FROM (
           SELECT hour, count(*) AS quits FROM quit JOIN quiet USING (id, number) GROUP BY hour
       ) by_hour),
       (SELECT json_object_agg(hour, quits) FROM (
           SELECT hour, count(*) AS quits FROM quit GROUP BY hour
       ) by_hour)
"""

COMMUNITIES = """
    SELECT community_id, community_id, count(*) FROM members_membership
    WHERE community_id = ANY(%(units)s) AND left_at IS NULL GROUP BY community_id
"""

CHATS = """
    SELECT chat.id, chat.community_id, chat.member_count
    FROM campaigns_delivery delivery
    JOIN communities_groupchat chat ON chat.id = delivery.recipient_id
    WHERE delivery.run_id = %(run)s
"""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How many people got a run's message so far, and since when. With chats as recipients these
    are the people in them."""

    people: int
    began_at: datetime | None


@dataclass(frozen=True, slots=True)
class Leaver:
    """``recipient_id`` is the member, or the chat that got the message."""

    member_id: int
    recipient_id: int
    community_id: int | None
    left_at: datetime


@dataclass(frozen=True, slots=True)
class Usual:
    """How many of so many people leave in each hour of a day that begins when the run did, on the
    average of the quiet days before it. ``days`` is 0 when no day was quiet: then of all."""

    by_hour: tuple[float, ...]
    people: int
    days: int


def exposure_of(run: Run, *, ahead: timedelta = timedelta(0)) -> Exposure:
    with connection.cursor() as cursor:
        cursor.execute(EXPOSED, [ahead.total_seconds(), run.pk])
        delivered, began_at = cursor.fetchone()
        if run.broadcast.target == BroadcastTarget.CHATS and delivered:
            cursor.execute(PEOPLE_IN_CHATS, [run.pk, DeliveryStatus.DELIVERED])
            (delivered,) = cursor.fetchone()
    return Exposure(int(delivered), began_at)


def leavers_of(
    run: Run,
    *,
    community_ids: Sequence[int],
    window_hours: int,
    began_at: datetime,
    until: datetime,
    ahead: timedelta = timedelta(0),
) -> list[Leaver]:
    """Who got the message and left by himself within the window after it, each once. ``ahead`` is
    how much later it is on the platform, whose clock says when somebody left."""
    to_chats = run.broadcast.target == BroadcastTarget.CHATS
    with connection.cursor() as cursor:
        cursor.execute(
            PEOPLE_WHO_LEFT_CHATS if to_chats else MEMBERS_WHO_LEFT,
            {
                "run": run.pk,
                "units": list(community_ids),
                "quit": LeaveReason.SELF.value,
                "delivered": DeliveryStatus.DELIVERED.value,
                "began": began_at,
                "until": until,
                "ahead": ahead.total_seconds(),
                "window": window_hours,
            },
        )
        return [Leaver(*row) for row in cursor.fetchall()]


def usual_quits(run: Run, *, community_ids: Sequence[int], began_at: datetime) -> Usual:
    """What is usual for the communities, or the chats, that a run goes to."""
    to_chats = run.broadcast.target == BroadcastTarget.CHATS
    statement = USUAL.format(
        units=CHATS if to_chats else COMMUNITIES,
        table="members_stay" if to_chats else "members_membership",
        column="chat_id" if to_chats else "community_id",
    )
    values: dict[str, int | str | datetime | list[Any]] = {
        "run": run.pk,
        "units": list(community_ids),
        "quit": LeaveReason.SELF.value,
        "began": began_at,
        "days": USUAL_DAYS,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        people, days, people_days, quiet, all_days = cursor.fetchone()
    people = int(people)
    counts, at_risk = (quiet, int(people_days)) if days else (all_days, people * USUAL_DAYS)
    by_hour = [0.0] * HOURS_OF_DAY
    for hour, count in (counts or {}).items():
        by_hour[int(hour)] = min(1.0, count / at_risk) if at_risk else 0.0
    return Usual(tuple(by_hour), people, int(days))


def community_ids_of(broadcast: Broadcast) -> list[int]:
    return list(broadcast.communities.order_by("pk").values_list("pk", flat=True))
