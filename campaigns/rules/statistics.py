"""The statistics of comparisons, as pure functions of counts and sums.

Differences are always B - A, two-sided, 95 % unless told. What needs special functions is in
``campaigns.rules.distributions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, erfc, inf, isfinite, log, sqrt
from statistics import NormalDist

ALPHA = 0.05
POWER = 0.8
SEQUENCE_TUNING = 5000
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Test:
    """A statistic and the chance of one at least as far out if there is no difference."""

    statistic: float
    p: float


@dataclass(frozen=True, slots=True)
class Sample:
    """The mean of so many values, with their variance (n - 1 in the denominator)."""

    mean: float
    variance: float
    n: int

    @property
    def squared_error(self) -> float:
        return self.variance / self.n


@dataclass(frozen=True, slots=True)
class Difference:
    estimate: float
    interval: Interval
    p: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over the units of an arm: of a result y, and of the same figure x before the test."""

    n: int
    y: float
    yy: float
    x: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    @property
    def sample(self) -> Sample:
        return Sample(self.y / self.n, covariance(self.n, self.y, self.y, self.yy), self.n)


def wilson(successes: int, n: int, *, alpha: float = ALPHA) -> Interval:
    """The score interval of a proportion (Wilson, 1927). Without trials anything is possible."""
    if not n:
        return Interval(0.0, 1.0)
    z = z_of(alpha)
    share = successes / n
    middle = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    whole = 1 + z * z / n
    low = 0.0 if not successes else (middle - spread) / whole
    high = 1.0 if successes == n else (middle + spread) / whole
    return Interval(low, high)


def newcombe(xa: int, na: int, xb: int, nb: int, *, alpha: float = ALPHA) -> Interval:
    """The difference of two proportions by their score intervals (Newcombe, 1998, method 10)."""
    if not na or not nb:
        return Interval(-1.0, 1.0)
    a, b = wilson(xa, na, alpha=alpha), wilson(xb, nb, alpha=alpha)
    pa, pb = xa / na, xb / nb
    below = sqrt((pb - b.low) ** 2 + (a.high - pa) ** 2)
    above = sqrt((b.high - pb) ** 2 + (pa - a.low) ** 2)
    return Interval(pb - pa - below, pb - pa + above)


def wald(xa: int, na: int, xb: int, nb: int, *, alpha: float = ALPHA) -> Interval:
    """The difference of two proportions with an unpooled error: for large samples."""
    spread = z_of(alpha) * proportions_error(xa, na, xb, nb)
    difference = xb / nb - xa / na
    return Interval(difference - spread, difference + spread)


def proportions_error(xa: int, na: int, xb: int, nb: int) -> float:
    pa, pb = xa / na, xb / nb
    return sqrt(pa * (1 - pa) / na + pb * (1 - pb) / nb)


def two_proportions(xa: int, na: int, xb: int, nb: int) -> Test:
    """The pooled z test. Where nobody or everybody did it, there is nothing to tell apart."""
    pooled = (xa + xb) / (na + nb)
    error = sqrt(pooled * (1 - pooled) * (1 / na + 1 / nb))
    if not error:
        return Test(0.0, 1.0)
    z = (xb / nb - xa / na) / error
    return Test(z, erfc(abs(z) / sqrt(2)))


def sample_size(
    baseline: float, effect: float, *, alpha: float = ALPHA, power: float = POWER
) -> int:
    """How many units each arm needs to tell ``baseline + effect`` from ``baseline``."""
    other = baseline + effect
    if not (0 < baseline < 1 and 0 < other < 1 and effect):
        raise ValueError("Both proportions must lie between 0 and 1, and differ.")
    null = z_of(alpha) * sqrt(2 * baseline * (1 - baseline))
    real = NORMAL.inv_cdf(power) * sqrt(baseline * (1 - baseline) + other * (1 - other))
    return round((null + real) ** 2 / effect**2)


def sample_size_of_mean(
    deviation: float, effect: float, *, alpha: float = ALPHA, power: float = POWER
) -> int:
    """How many units each arm needs to tell two means apart by ``effect``."""
    if not effect or deviation <= 0:
        raise ValueError("The effect and the standard deviation must not be 0.")
    return ceil(2 * ((z_of(alpha) + NORMAL.inv_cdf(power)) * deviation / effect) ** 2)


def relative_error(a: Sample, b: Sample) -> float:
    return sqrt(b.squared_error / a.mean**2 + a.squared_error * b.mean**2 / a.mean**4)


def sequential(
    estimate: float,
    standard_error: float,
    n: int,
    *,
    alpha: float = ALPHA,
    tuning: float = SEQUENCE_TUNING,
) -> Interval:
    """An interval that holds at every moment at once, however often one looks.

    Asymptotic confidence sequence (Waudby-Smith et al., 2021), narrowest at ``tuning`` units in
    both arms together.
    """
    if n < 2 or not isfinite(standard_error):
        return Interval(-inf, inf)
    rho2 = (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / tuning
    inside = 2 * (n * rho2 + 1) * log(sqrt(n * rho2 + 1) / alpha) / (n * n * rho2)
    spread = standard_error * sqrt(n) * sqrt(inside)
    return Interval(estimate - spread, estimate + spread)


def cuped(arms: Sequence[Moments]) -> list[Sample]:
    """Each arm's result without what was already so before (Deng et al., 2013).

    y - theta (x - mean x), with one theta = cov(x, y) / var(x) of all arms together.
    """
    theta, middle = theta_of(arms)
    return [_adjusted(arm, theta, middle) for arm in arms]


def theta_of(arms: Sequence[Moments]) -> tuple[float, float]:
    """How much of x is found again in y, and the mean of x, over all arms."""
    n, y, x = (sum(getattr(arm, name) for arm in arms) for name in ("n", "y", "x"))
    spread = covariance(n, x, x, sum(arm.xx for arm in arms))
    common = covariance(n, x, y, sum(arm.xy for arm in arms))
    return (common / spread if spread > 0 else 0.0), x / n


def holm(ps: Sequence[float]) -> list[float]:
    """The p values of several comparisons, so that all together err in 5 % (Holm, 1979)."""
    order = sorted(range(len(ps)), key=lambda index: ps[index])
    adjusted = [1.0] * len(ps)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, ps[index] * (len(ps) - rank)))
        adjusted[index] = highest
    return adjusted


def _adjusted(arm: Moments, theta: float, mean_before: float) -> Sample:
    variance = (
        covariance(arm.n, arm.y, arm.y, arm.yy)
        + theta**2 * covariance(arm.n, arm.x, arm.x, arm.xx)
        - 2 * theta * covariance(arm.n, arm.x, arm.y, arm.xy)
    )
    mean = arm.y / arm.n - theta * (arm.x / arm.n - mean_before)
    return Sample(mean, max(0.0, variance), arm.n)


def covariance(n: int, x: float, y: float, xy: float) -> float:
    return (xy - x * y / n) / (n - 1) if n > 1 else 0.0


def z_of(alpha: float) -> float:
    return NORMAL.inv_cdf(1 - alpha / 2)
