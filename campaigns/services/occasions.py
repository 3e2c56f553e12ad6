"""Facts about members that broadcasts wait for: noted set by set, taken once, by one run.

A fact is told within a week or not at all: nobody is congratulated on the birthday before last.

"Silent" means: no sign of life of the member in any community since a day, where at least one of
the broadcast's communities that they are in was measured from that day to now. Where nothing was
measured nobody is silent, because nothing is known. Joining a community is a sign of life.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection

from campaigns.models import Broadcast, Run, Schedule
from campaigns.rules.schedules import ScheduleKind
from campaigns.rules.status import AWAITING_TIME, BroadcastStatus
from members.rules.standing import TierCause

FACT_LIFE = timedelta(days=7)
#: A tier is reached by these; not by falling to it, and not where a colleague fixed it.
REACHED = (TierCause.PROMOTED, TierCause.ENTERED)
LISTENING = (*sorted(AWAITING_TIME), BroadcastStatus.PAUSED)

BIRTHDAYS = """
INSERT INTO campaigns_occasion (broadcast_id, member_id, fact)
SELECT %(broadcast)s, member.id, 'birthday:' || day.year
FROM unnest(%(birthdays)s::smallint[], %(years)s::integer[]) AS day (birthday, year)
JOIN members_member member
    ON member.enterprise_id = %(enterprise)s AND member.birthday = day.birthday
WHERE member.erased_at IS NULL AND EXISTS (
    SELECT FROM members_membership membership
    WHERE membership.member_id = member.id AND membership.left_at IS NULL
        AND membership.community_id = ANY(%(communities)s)
)
ON CONFLICT DO NOTHING
"""

# Only members whose last sign of life can be on one of these days are looked at.
SILENCES = """
WITH seen (member_id, day) AS MATERIALIZED (
    SELECT member_id, max(day) FROM (
        SELECT member_id, day FROM members_memberday
        WHERE enterprise_id = %(enterprise)s AND day BETWEEN %(first)s AND %(last)s
        UNION ALL
        SELECT member_id, (joined_at AT TIME ZONE %(zone)s)::date FROM members_membership
        WHERE community_id = ANY(%(communities)s) AND left_at IS NULL
            AND joined_at >= %(first_instant)s AND joined_at < %(end_instant)s
    ) sign
    GROUP BY member_id
)
INSERT INTO campaigns_occasion (broadcast_id, member_id, fact)
SELECT %(broadcast)s, seen.member_id, 'silent:' || seen.day
FROM seen
WHERE NOT EXISTS (
    SELECT FROM members_memberday later
    WHERE later.member_id = seen.member_id AND later.day > seen.day
) AND NOT EXISTS (
    SELECT FROM members_membership later
    WHERE later.member_id = seen.member_id
        AND later.joined_at >= (seen.day + 1)::timestamp AT TIME ZONE %(zone)s
) AND EXISTS (
    SELECT FROM members_membership membership
    JOIN members_activitycoverage coverage USING (community_id)
    WHERE membership.member_id = seen.member_id AND membership.left_at IS NULL
        AND membership.community_id = ANY(%(communities)s)
        AND coverage.covered_from <= (seen.day + 1)::timestamp AT TIME ZONE %(zone)s
        AND coverage.covered_to >= %(today_instant)s
)
ON CONFLICT DO NOTHING
"""

TIERS = """
INSERT INTO campaigns_occasion (broadcast_id, member_id, fact)
SELECT schedule.broadcast_id, assignment.member_id, 'tier:' || assignment.id
FROM members_tierassignment assignment
JOIN campaigns_schedule schedule
    ON schedule.kind = %(kind)s AND schedule.tier_id = assignment.tier_id
JOIN campaigns_broadcast broadcast
    ON broadcast.id = schedule.broadcast_id AND broadcast.status = ANY(%(listening)s)
WHERE assignment.id = ANY(%(assignments)s) AND assignment.ended_at IS NULL
    AND assignment.cause = ANY(%(reached)s) AND EXISTS (
        SELECT FROM members_membership membership
        JOIN campaigns_broadcast_communities chosen
            ON chosen.community_id = membership.community_id
        WHERE chosen.broadcast_id = broadcast.id
            AND membership.member_id = assignment.member_id AND membership.left_at IS NULL
    )
ON CONFLICT DO NOTHING
"""

IS_WAITING = """
SELECT EXISTS (
    SELECT FROM campaigns_occasion WHERE broadcast_id = %(broadcast)s AND run_id IS NULL
        AND noted_at > statement_timestamp() - %(life)s
)
"""

TAKE = """
UPDATE campaigns_occasion SET run_id = %(run)s
WHERE broadcast_id = %(broadcast)s AND run_id IS NULL
    AND noted_at > statement_timestamp() - %(life)s
"""


def note_occasions(broadcast: Broadcast, schedule: Schedule, *, now: datetime) -> int:
    """The facts of the days since they were last looked for; returns how many are new.

    ``broadcast`` is locked. Tiers are noted when they are reached, not here.
    """
    today = now.astimezone(broadcast.enterprise.zone).date()
    looked = schedule.looked_through
    since = looked.astimezone(broadcast.enterprise.zone).date() if looked else None
    days = days_to_look_at(today, since)
    schedule.looked_through = now
    schedule.save(update_fields=["looked_through"])
    if not days or schedule.kind == ScheduleKind.TIER_REACHED:
        return 0
    if schedule.kind == ScheduleKind.BIRTHDAY:
        offset = timedelta(days=schedule.day_offset)
        return _note_birthdays(broadcast, [day - offset for day in days])
    return _note_silences(broadcast, days, silent_days=schedule.silent_days or 1)


def days_to_look_at(today: date, looked: date | None) -> list[date]:
    """The days after ``looked`` up to today, and no more than a week of them."""
    first = today if looked is None else max(looked, today - FACT_LIFE) + timedelta(days=1)
    return [first + timedelta(days=n) for n in range((today - first).days + 1)]


def note_tiers_reached(assignment_ids: Iterable[int]) -> int:
    """Of those whose new tier a broadcast waits for."""
    waiting = Schedule.objects.filter(
        kind=ScheduleKind.TIER_REACHED, broadcast__status__in=LISTENING
    )
    if not waiting.exists():
        return 0
    return _noted(
        TIERS,
        kind=ScheduleKind.TIER_REACHED.value,
        listening=[str(status) for status in LISTENING],
        assignments=list(assignment_ids),
        reached=[str(cause) for cause in REACHED],
    )


def has_waiting(broadcast: Broadcast) -> bool:
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"broadcast": broadcast.pk, "life": FACT_LIFE}
        cursor.execute(IS_WAITING, values)
        (found,) = cursor.fetchone()
    return bool(found)


def take_occasions(run: Run) -> int:
    """Whom the run is about; nothing for one that no facts begin."""
    return _noted(TAKE, run=run.pk, broadcast=run.broadcast_id, life=FACT_LIFE)


def _note_birthdays(broadcast: Broadcast, days: Sequence[date]) -> int:
    born = [(number, day.year) for day in days for number in birthdays_on(day)]
    return _noted(
        BIRTHDAYS,
        broadcast=broadcast.pk,
        enterprise=broadcast.enterprise_id,
        communities=_communities_of(broadcast),
        birthdays=[number for number, _year in born],
        years=[year for _number, year in born],
    )


def birthdays_on(day: date) -> list[int]:
    """As members have them: 308 for 8 March. Born on 29 February, in other years on the 28th."""
    numbers = [day.month * 100 + day.day]
    if (day.month, day.day) == (2, 28) and not calendar.isleap(day.year):
        numbers.append(229)
    return numbers


def _note_silences(broadcast: Broadcast, days: Sequence[date], *, silent_days: int) -> int:
    zone = broadcast.enterprise.zone
    first, last = (day - timedelta(days=silent_days) for day in (days[0], days[-1]))
    return _noted(
        SILENCES,
        broadcast=broadcast.pk,
        enterprise=broadcast.enterprise_id,
        communities=_communities_of(broadcast),
        zone=zone.key,
        first=first,
        last=last,
        first_instant=datetime.combine(first, time.min, zone),
        end_instant=datetime.combine(last + timedelta(days=1), time.min, zone),
        today_instant=datetime.combine(days[-1], time.min, zone),
    )


def _communities_of(broadcast: Broadcast) -> list[int]:
    return list(broadcast.communities.order_by("pk").values_list("pk", flat=True))


def _noted(statement: str, **values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)
