"""What a run brought and what it cost. Revenue is never the answer: what would have been bought
anyway is taken off, and who left has a price. Amounts in minor units (分)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from campaigns.rules.experiments import HOLD_OUT
from campaigns.rules.statistics import Moments

WINDOW_HOURS = 72
#: A difference of means says nothing with fewer on either side.
ENOUGH_TO_COMPARE = 2


@dataclass(frozen=True, slots=True)
class Increment:
    """Net purchases that the run brought about, by the difference to the hold-out per recipient,
    with its 95 % interval."""

    treated: int
    held_out: int
    per_head: float
    low: float
    high: float
    p: float

    @property
    def amount(self) -> float:
        return self.per_head * self.treated


@dataclass(frozen=True, slots=True)
class Balance:
    """In full only with a hold-out: without one nobody knows what would have been bought anyway.
    ``roi`` is unknown as well where nothing was spent."""

    cost_amount: int
    value_lost_amount: int
    margin_amount: int | None
    margin_low: int | None
    margin_high: int | None

    @property
    def net_amount(self) -> int | None:
        if self.margin_amount is None:
            return None
        return self.margin_amount - self.cost_amount - self.value_lost_amount

    @property
    def roi(self) -> float | None:
        if self.net_amount is None or not self.cost_amount:
            return None
        return self.net_amount / self.cost_amount


def increment_of(spent: Mapping[int, Moments]) -> Increment | None:
    """Everybody who was to get the message against everybody who was not, by Welch's t (1947)."""
    held_out = spent.get(HOLD_OUT)
    treated = together([one for arm, one in spent.items() if arm != HOLD_OUT])
    if held_out is None or min(held_out.n, treated.n) < ENOUGH_TO_COMPARE:
        return None
    from campaigns.rules.distributions import welch  # noqa: PLC0415 - loads SciPy

    difference = welch(held_out.sample, treated.sample)
    return Increment(
        treated=treated.n,
        held_out=held_out.n,
        per_head=difference.estimate,
        low=difference.interval.low,
        high=difference.interval.high,
        p=difference.p,
    )


def together(parts: list[Moments]) -> Moments:
    return Moments(
        sum(one.n for one in parts), sum(one.y for one in parts), sum(one.yy for one in parts)
    )


def balance_of(
    increment: Increment | None, *, margin_percent: int, cost_amount: int, value_lost_amount: int
) -> Balance:
    def margin(per_head: float, treated: int) -> int:
        return round(per_head * treated * margin_percent / 100)

    if increment is None:
        return Balance(cost_amount, value_lost_amount, None, None, None)
    return Balance(
        cost_amount,
        value_lost_amount,
        margin(increment.per_head, increment.treated),
        margin(increment.low, increment.treated),
        margin(increment.high, increment.treated),
    )


def value_beyond_usual(value_amount: int, *, leaves: int, expected: float) -> int:
    """Of what those who left were worth, the part of those who would usually have stayed."""
    if not leaves:
        return 0
    return round(value_amount * max(0.0, leaves - expected) / leaves)


def share_of(part: int, whole: int) -> float | None:
    return part / whole if whole else None
