"""When so many leave after a message that the rest is not sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.rules.statistics import wilson

#: Hours after somebody got a message in which leaving counts as an answer to it.
WINDOWS = (24, 72)
USUAL_DAYS = 14  # how far back the usual is looked for
HOURS_OF_DAY = 24
PER_MILLE = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at a run says. Rates are shares of those who got the message."""

    rate: float
    usual: float
    lower: float
    upper: float
    excess: float
    trips: bool


def usual_rate(by_hour: Sequence[float], hours: float) -> float:
    """The share that usually leaves within so many hours, from a day's rates by the hour: whole
    days, and of the last one the hours that have passed."""
    if not by_hour:
        return 0.0
    days, rest = divmod(max(hours, 0.0), HOURS_OF_DAY)
    whole = int(rest)
    begun = by_hour[whole] * (rest - whole) if whole < len(by_hour) else 0.0
    return min(1.0, days * sum(by_hour) + sum(by_hour[:whole]) + begun)


def judge(
    *, exposed: int, leaves: int, usual: float, margin_permille: int, minimum_leaves: int
) -> Verdict:
    """Too many have left when even the low end of Wilson's 95 % interval is above the usual and
    the margin. A handful never is: with fewer than ``minimum_leaves`` nothing trips."""
    exposed = max(exposed, leaves)
    interval = wilson(leaves, exposed)
    return Verdict(
        rate=leaves / exposed if exposed else 0.0,
        usual=usual,
        lower=interval.low,
        upper=interval.high,
        excess=max(0.0, leaves - usual * exposed),
        trips=leaves >= max(1, minimum_leaves)
        and interval.low > usual + margin_permille / PER_MILLE,
    )
