"""When broadcasts begin next, by their schedules and the calendar of their enterprise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from campaigns.models import Broadcast, HolidayOverride, Schedule
from campaigns.rules.recurrence import Rule, next_times
from campaigns.rules.schedules import DayRule
from campaigns.rules.status import AWAITING_TIME, BroadcastStatus
from campaigns.rules.working_days import WorkCalendar

SHOWN = 5
#: What one broadcast may put into an overview; hourly ones would fill it.
AT_MOST = 100


def calendar_of(enterprise_id: int) -> WorkCalendar:
    overrides = HolidayOverride.objects.filter(enterprise=enterprise_id)
    return WorkCalendar(dict(overrides.values_list("day", "is_working_day")))


def schedule_of(broadcast: Broadcast) -> Schedule | None:
    return Schedule.objects.filter(broadcast=broadcast).first()


def rule_of(schedule: Schedule, *, counted: int = 0) -> Rule:
    """``counted``: occurrences that have a time already but are not counted as happened yet."""
    remaining = None
    if schedule.max_count is not None:
        remaining = max(schedule.max_count - schedule.occurrence_count - counted, 0)
    return Rule(
        kind=schedule.kind,
        local_time=schedule.local_time,
        time_zone=schedule.time_zone,
        rrule=schedule.rrule,
        festivals=tuple(schedule.festivals),
        day_offset=schedule.day_offset,
        member_day=schedule.member_day,
        day_rule=schedule.day_rule,
        starts_on=schedule.starts_on,
        ends_on=schedule.ends_on,
        remaining=remaining,
    )


def times_after(
    broadcast: Broadcast,
    schedule: Schedule | None,
    after: datetime,
    *,
    count: int = 1,
    counted: int = 0,
    until: datetime | None = None,
) -> list[datetime]:
    """The next times that the schedule gives; none of a broadcast that runs once."""
    if schedule is None:
        return []
    rule = rule_of(schedule, counted=counted)
    calendar = calendar_of(broadcast.enterprise_id)
    return next_times(rule, after, count=count, calendar=calendar, until=until)


def upcoming_times(
    broadcast: Broadcast, *, now: datetime, count: int = SHOWN, until: datetime | None = None
) -> list[datetime]:
    """When it begins next: what is fixed already, then what its schedule gives."""
    schedule = schedule_of(broadcast)
    return upcoming_by(broadcast, schedule, now=now, count=count, until=until)


def upcoming_by(
    broadcast: Broadcast,
    schedule: Schedule | None,
    *,
    now: datetime,
    count: int = SHOWN,
    until: datetime | None = None,
) -> list[datetime]:
    fixed = broadcast.scheduled_at
    if fixed is None or broadcast.status not in (*AWAITING_TIME, BroadcastStatus.PAUSED):
        fixed = None
    after = fixed or now
    rest = times_after(
        broadcast,
        schedule,
        after,
        count=count - (fixed is not None),
        counted=int(fixed is not None),
        until=until,
    )
    first = [fixed] if fixed is not None and (until is None or fixed <= until) else []
    return first + rest


@dataclass(frozen=True, slots=True)
class PlannedTime:
    broadcast: Broadcast
    at: datetime


def planned_until(
    broadcasts: Iterable[Broadcast], *, now: datetime, until: datetime
) -> list[PlannedTime]:
    """Everything that these broadcasts are to begin until then, in order of time.

    Of each at most a hundred times. What is paused is left out: nobody knows when it goes on.
    """
    return sorted(_planned(broadcasts, now, until), key=lambda planned: planned.at)


def _planned(
    broadcasts: Iterable[Broadcast], now: datetime, until: datetime
) -> Iterator[PlannedTime]:
    for broadcast in broadcasts:
        if broadcast.status in AWAITING_TIME and broadcast.scheduled_at is not None:
            times = upcoming_times(broadcast, now=now, count=AT_MOST, until=until)
            yield from (PlannedTime(broadcast, at) for at in times)


def unknown_years(broadcast: Broadcast, times: Iterable[datetime], schedule: Schedule) -> list[int]:
    """Years among these times whose make-up days nobody has told us, where that matters."""
    if schedule.day_rule == DayRule.ANY:
        return []
    calendar = calendar_of(broadcast.enterprise_id)
    zone = rule_of(schedule).zone
    return calendar.unknown_among(at.astimezone(zone).date() for at in times)
