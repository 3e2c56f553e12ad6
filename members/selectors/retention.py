"""How many of those who joined in a week are still active later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from communities.models import Community

COHORT_WEEKS = 12


@dataclass(frozen=True, slots=True)
class Cohort:
    """Who joined in the week that began on the Monday ``week``. ``cells[k]`` is the share, 0 to 1,
    active on the days 7k to 7k + 6 after joining; None where these days are not over for everybody
    or a day of them was not measured. ``active[k]`` is the number behind it."""

    week: date
    joined: int
    cells: list[float | None]
    active: list[int | None]


def cohorts(community: Community, *, until: date, weeks: int = COHORT_WEEKS) -> list[Cohort]:
    """The cohorts of the last ``weeks`` whole weeks before the end of the local day ``until``,
    the oldest first, with ``weeks`` cells each."""
    return []
