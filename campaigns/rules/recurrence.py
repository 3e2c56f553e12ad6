"""When a schedule gives its next times: local days and hours in, instants out.

A local time that a change of the clocks skips counts at the first instant after the gap; one that
comes twice counts once, at the first. Two that so become the same instant are one occurrence.
"""

from __future__ import annotations

import calendar as months
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from campaigns.rules.festivals import days_of
from campaigns.rules.schedules import BY_FACT, DayRule, ScheduleKind
from campaigns.rules.working_days import LONGEST_REST, WorkCalendar

#: A rule that gives nothing for so long gives nothing.
HORIZON = timedelta(days=3660)
ONE_DAY = timedelta(days=1)
FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
PARTS = frozenset(
    {"INTERVAL", "BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS", "BYHOUR"}
) | {"WKST"}
LONGEST_INTERVAL = 366
#: Periods that may be left out at the beginning without changing the rest, by how long they are.
PERIODS = {"WEEKLY": 7 * ONE_DAY, "DAILY": ONE_DAY, "SECONDLY": timedelta(seconds=1)}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a schedule says. ``remaining``: how many occurrences are still to come, if limited."""

    kind: str
    local_time: time
    time_zone: str = "Asia/Shanghai"
    rrule: str = ""
    festivals: tuple[str, ...] = ()
    day_offset: int = 0
    member_day: int | None = None
    day_rule: str = DayRule.ANY
    starts_on: date | None = None
    ends_on: date | None = None
    remaining: int | None = None

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


def next_times(
    rule: Rule,
    after: datetime,
    *,
    count: int = 5,
    calendar: WorkCalendar,
    until: datetime | None = None,
) -> list[datetime]:
    """Up to ``count`` instants later than ``after`` and not later than ``until``, in UTC.

    Fewer where the rule ends, or gives nothing more within ten years.
    """
    limit = count if rule.remaining is None else min(count, rule.remaining)
    found: list[datetime] = []
    for local in _local_times(rule, _local_start(rule, after), calendar):
        if len(found) >= limit or (rule.ends_on is not None and local.date() > rule.ends_on):
            break
        instant = instant_of(local, rule.zone)
        if until is not None and instant > until:
            break
        if instant > after and (not found or instant > found[-1]):
            found.append(instant)
    return found


def instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time: after a gap the first, of a repeated hour the first."""
    instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return instant
    return _end_of_gap(local.replace(tzinfo=zone, fold=1).astimezone(UTC), instant, zone)


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the clocks changed, to the second."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def _local_start(rule: Rule, after: datetime) -> datetime:
    start = after.astimezone(rule.zone).replace(tzinfo=None)
    return max(start, datetime.combine(rule.starts_on or start.date(), time.min))


def _local_times(rule: Rule, start: datetime, calendar: WorkCalendar) -> Iterator[datetime]:
    """Local times from ``start`` on, never going back."""
    if rule.day_rule == DayRule.NEXT_WORKING_DAY:
        yield from _moved(_planned(rule, start - LONGEST_REST * ONE_DAY), calendar)
        return
    for local in _planned(rule, start):
        if rule.day_rule == DayRule.ANY or (
            calendar.is_working_day(local.date()) == (rule.day_rule == DayRule.WORKING_DAYS)
        ):
            yield local


def _moved(planned: Iterable[datetime], calendar: WorkCalendar) -> Iterator[datetime]:
    """Each on the next working day; several that move to the same day and hour are one."""
    by_day = groupby(planned, key=lambda local: calendar.next_working_day(local.date()))
    for day, locals_ in by_day:
        for hour in sorted({local.time() for local in locals_}):
            yield datetime.combine(day, hour)


def _planned(rule: Rule, start: datetime) -> Iterator[datetime]:
    if rule.kind == ScheduleKind.RECURRING:
        yield from _by_rrule(rule, start)
        return
    for day in _days(rule, start.date()):
        yield datetime.combine(day, rule.local_time)


def _days(rule: Rule, first: date) -> Iterator[date]:
    if rule.kind in BY_FACT:
        yield from (first + n * ONE_DAY for n in range(HORIZON.days))
        return
    offset = rule.day_offset * ONE_DAY
    for year in range(first.year - 1, (first + HORIZON).year + 1):
        days = (
            days_of(rule.festivals, year)
            if rule.kind == ScheduleKind.FESTIVAL
            else _member_days(rule.member_day or 1, year)
        )
        yield from (day + offset for day in days if day + offset >= first)


def _member_days(number: int, year: int) -> list[date]:
    return [
        date(year, month, min(number, months.monthrange(year, month)[1])) for month in range(1, 13)
    ]


def _by_rrule(rule: Rule, start: datetime) -> Iterator[datetime]:
    from dateutil.rrule import rrulestr  # noqa: PLC0415 - only schedules need it

    begins = datetime.combine(rule.starts_on or start.date(), rule.local_time)
    ends = max(start, begins) + HORIZON
    anchored = _without_past(rule.rrule, begins, start)
    every: Any = rrulestr(rule.rrule, dtstart=anchored).replace(until=ends)
    return (local for local in every if local >= start)


def _without_past(rrule: str, begins: datetime, start: datetime) -> datetime:
    """A later beginning with the same phase, so that years gone by are not counted through."""
    parts = rrule_parts(rrule)
    period = PERIODS.get(parts["FREQ"])
    if period is None or start <= begins:
        return begins
    step = period * int(parts.get("INTERVAL", "1"))
    return begins + max((start - begins) // step - 1, 0) * step


def rrule_trouble(rrule: str) -> str:
    """What is wrong with a rule, for people; nothing if we can follow it.

    The parts are those of RFC 5545, section 3.3.10, that speak of days and hours. How often and
    until when is said elsewhere.
    """
    parts = rrule_parts(rrule)
    if parts.get("FREQ") not in FREQUENCIES:
        return _(
            "规则以 FREQ=DAILY、WEEKLY、MONTHLY 或 YEARLY 开头，例如 FREQ=WEEKLY;BYDAY=MO,TH。"
        )
    unknown = sorted(set(parts) - {"FREQ"} - PARTS)
    if unknown:
        words = _("规则里不能有 %(parts)s；结束日期和次数另外填写。")
        return words % {"parts": ", ".join(unknown)[:80]}
    from dateutil.rrule import rrulestr  # noqa: PLC0415 - only schedules need it

    try:
        rrulestr(rrule, dtstart=datetime(2024, 1, 1))  # noqa: DTZ001 - a local time
        interval = int(parts.get("INTERVAL", "1"))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return _("看不懂这个规则，例如 FREQ=WEEKLY;BYDAY=MO,TH。")
    return "" if 1 <= interval <= LONGEST_INTERVAL else _("INTERVAL 是 1 到 366。")


def rrule_parts(rrule: str) -> dict[str, str]:
    """The parts of a rule such as ``FREQ=WEEKLY;BYDAY=MO,TH``."""
    pairs = (part.partition("=") for part in rrule.upper().split(";") if part)
    return {name.strip(): value.strip() for name, _sign, value in pairs}
