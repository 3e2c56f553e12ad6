"""Statistics that need special functions or many numbers at once: NumPy and SciPy.

Loading them takes half a second and tens of megabytes, so whoever needs this module loads it when
it does. Differences are B - A and two-sided, as in ``campaigns.rules.statistics``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

import numpy as np
from scipy.special import betaln, chdtrc, gammaln, stdtr, stdtrit

from campaigns.rules.statistics import ALPHA, Difference, Interval, Sample, relative_error

SRM_ALPHA = 0.001


def fisher(xa: int, na: int, xb: int, nb: int) -> float:
    """The exact two-sided p (Fisher, 1934): all tables at most as likely as this one."""
    successes, total = xa + xb, na + nb
    k = np.arange(max(0, successes - na), min(nb, successes) + 1)

    def ways(n: int, taken: object) -> object:
        return gammaln(n + 1) - gammaln(taken + 1) - gammaln(n - taken + 1)

    logs = ways(nb, k) + ways(na, successes - k) - ways(total, successes)
    here = logs[xb - int(k[0])]
    return min(1.0, float(np.exp(logs[logs <= here + 1e-7]).sum()))


def probability_better(xa: int, na: int, xb: int, nb: int) -> float:
    """P(B > A) of two proportions, each with a flat prior Beta(1, 1) (Miller, 2015)."""
    a1, b1, a2, b2 = xa + 1, na - xa + 1, xb + 1, nb - xb + 1
    i = np.arange(a2)
    logs = betaln(a1 + i, b1 + b2) - np.log(b2 + i) - betaln(1 + i, b2) - betaln(a1, b1)
    return float(min(1.0, np.exp(logs).sum()))


def srm(observed: Sequence[int], shares: Sequence[float]) -> float:
    """The p of a sample-ratio mismatch: whether the arms are as large as they were meant to be.

    Below ``SRM_ALPHA`` something chose who was in which arm, and the experiment has no verdict
    (Fabijan et al., 2019).
    """
    total, whole = sum(observed), sum(shares)
    if not total or len(observed) < 2:
        return 1.0
    expected = [total * share / whole for share in shares]
    far = sum((have - want) ** 2 / want for have, want in zip(observed, expected, strict=True))
    return float(chdtrc(len(observed) - 1, far))


def welch(a: Sample, b: Sample, *, alpha: float = ALPHA) -> Difference:
    """The difference of two means of unequal variance (Welch, 1947)."""
    return _by_t(b.mean - a.mean, sqrt(a.squared_error + b.squared_error), _degrees(a, b), alpha)


def relative_delta(a: Sample, b: Sample, *, alpha: float = ALPHA) -> Difference:
    """The difference as a part of A's mean, with the error of the ratio (delta method)."""
    if not a.mean:
        return Difference(0.0, Interval(-inf, inf), 1.0, inf)
    return _by_t((b.mean - a.mean) / abs(a.mean), relative_error(a, b), _degrees(a, b), alpha)


def _degrees(a: Sample, b: Sample) -> float:
    """Of freedom, by Welch and Satterthwaite."""
    whole = (a.squared_error + b.squared_error) ** 2
    parts = a.squared_error**2 / (a.n - 1) + b.squared_error**2 / (b.n - 1)
    return whole / parts if parts else inf


def _by_t(estimate: float, error: float, degrees: float, alpha: float) -> Difference:
    if not error:
        return Difference(estimate, Interval(estimate, estimate), float(not estimate), 0.0)
    spread = float(stdtrit(degrees, 1 - alpha / 2)) * error
    p = 2 * float(stdtr(degrees, -abs(estimate) / error))
    return Difference(estimate, Interval(estimate - spread, estimate + spread), p, error)
