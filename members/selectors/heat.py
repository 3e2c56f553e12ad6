"""When a community is awake: distinct active members by weekday and hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from communities.models import Community
from members.models import CommunityDay

HEAT_WEEKS = 8
FEW_ACTIVE = 5
HOURS = 24


@dataclass(frozen=True, slots=True)
class HeatMap:
    """``cells[weekday][hour]``, Monday first, in the enterprise's zone: mean number of distinct
    active members over the measured days; None (grey) where no day of the window had at least
    ``FEW_ACTIVE`` of them in that hour, or none was measured."""

    cells: tuple[tuple[float | None, ...], ...]
    since: date
    until: date
    weeks: int
    measured_days: int


def heat_map(community: Community, *, until: date, weeks: int = HEAT_WEEKS) -> HeatMap:
    """The heat map of the ``weeks`` weeks that end with the local day ``until``.

    An hour that the clock skipped counts neither as silent nor as measured; one that it showed
    twice is one hour.
    """
    since = until - timedelta(days=7 * weeks - 1)
    days = CommunityDay.objects.filter(community=community, day__gte=since, day__lte=until)
    measured = days.exclude(hour_actives=None).values_list("day", "hour_actives")
    seen: list[list[list[int]]] = [[[] for _ in range(HOURS)] for _ in range(7)]
    count = 0
    for day, actives in measured:
        count += 1
        skipped = skipped_hours(day, community.enterprise.zone)
        for hour, active in enumerate(actives or ()):
            if hour not in skipped:
                seen[day.weekday()][hour].append(active)
    cells = tuple(tuple(_cell(found) for found in hours) for hours in seen)
    return HeatMap(cells, since, until, weeks, count)


def _cell(actives: list[int]) -> float | None:
    if max(actives, default=0) < FEW_ACTIVE:
        return None
    return sum(actives) / len(actives)


def skipped_hours(day: date, zone: ZoneInfo) -> frozenset[int]:
    """The local hours that a day does not have, because the clock was put forward over them."""
    begins = datetime(day.year, day.month, day.day, tzinfo=zone)
    ends = begins + timedelta(days=1)
    if begins.utcoffset() == ends.utcoffset():
        return frozenset()
    instant, end, there = begins.astimezone(UTC), ends.astimezone(UTC), set()
    while instant < end:
        there.add(instant.astimezone(zone).hour)
        instant += timedelta(minutes=30)
    return frozenset(range(HOURS)) - there
