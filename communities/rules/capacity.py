"""How full a community is, and when it will be: plain arithmetic over what was observed."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

NEARLY_FULL_PERCENT = 80  # of the capacity: time to open another chat
OBSERVED_DAYS = 14
LEAST_JOINS = 10  # below, chance speaks louder than the trend
CERTAINTY = 1.96  # 19 of 20


@dataclass(frozen=True)
class Forecast:
    """In how many days the room is used up if it goes on like this, and the range that 19 of 20
    such cases fall into. ``latest`` is None when it may as well never happen."""

    days: float
    earliest: float
    latest: float | None


def is_nearly_full(member_count: int, capacity: int) -> bool:
    """Without any capacity there is no room either."""
    return member_count * 100 >= capacity * NEARLY_FULL_PERCENT


def forecast(*, room: int, joins: int, quits: int, days: float = OBSERVED_DAYS) -> Forecast | None:
    """When ``room`` places are used up, from the joins and quits of the last ``days``.

    Joins and quits are taken as independent chance events, so their difference over the days has
    the variance of their sum. None when there were too few joins to tell, or no growth.
    """
    growth = (joins - quits) / days
    if joins < LEAST_JOINS or growth <= 0:
        return None
    spread = CERTAINTY * sqrt(joins + quits) / days
    slowest = growth - spread
    return Forecast(
        days=room / growth,
        earliest=room / (growth + spread),
        latest=room / slowest if slowest > 0 else None,
    )
