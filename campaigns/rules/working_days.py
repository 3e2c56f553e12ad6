"""Which days people work in China: weekends, public holidays and the weekends worked instead.

The State Council announces the make-up days of a year late in the year before. Of years that the
calendar we ship (the package ``holidays``) does not know yet there are weekends and the statutory
holidays, and ``knows`` says so. A day that an enterprise overrides is as the enterprise says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

SATURDAY = 5
#: No rest of the calendar is longer, so a search for the next working day ends.
LONGEST_REST = 30


@dataclass(frozen=True, slots=True)
class PublicYear:
    """One year of the shipped calendar."""

    holidays: frozenset[date]
    makeup_days: frozenset[date]


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """The shipped calendar with the days that an enterprise sees otherwise."""

    overrides: Mapping[date, bool] = field(default_factory=dict)

    def is_working_day(self, day: date) -> bool:
        overridden = self.overrides.get(day)
        if overridden is not None:
            return overridden
        year = public_year(day.year)
        if day in year.makeup_days:
            return True
        return day.weekday() < SATURDAY and day not in year.holidays

    def next_working_day(self, day: date) -> date:
        """The day itself if it is one. Where a month of rest follows, the day itself too."""
        following = (day + timedelta(days=n) for n in range(LONGEST_REST))
        return next((one for one in following if self.is_working_day(one)), day)

    def knows(self, year: int) -> bool:
        """Whether the make-up days of the year are known, to us or from the enterprise."""
        if public_year(year).makeup_days:
            return True
        return any(
            works and day.year == year and day.weekday() >= SATURDAY
            for day, works in self.overrides.items()
        )

    def unknown_among(self, days: Iterable[date]) -> list[int]:
        """The years of these days whose make-up days nobody has told us yet."""
        return sorted({day.year for day in days if not self.knows(day.year)})


@lru_cache(maxsize=64)
def public_year(year: int) -> PublicYear:
    import holidays  # noqa: PLC0415 - large, and only what looks at working days needs it

    try:
        found = holidays.country_holidays("CN", years=[year])
    except (ValueError, OverflowError):
        return PublicYear(frozenset(), frozenset())
    return PublicYear(
        frozenset(day for day in found if day.year == year),
        frozenset(day for day in found.weekend_workdays if day.year == year),
    )
