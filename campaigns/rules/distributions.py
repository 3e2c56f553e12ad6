"""Statistics that need special functions or many numbers at once: NumPy and SciPy.

Loading them takes half a second and tens of megabytes, so whoever needs this module loads it when
it does. Differences are B - A and two-sided, as in ``campaigns.rules.statistics``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb, copysign, inf, sqrt
from typing import Any

import numpy as np
from scipy.special import (  # type: ignore[import-untyped]  # untyped upstream
    betaln,
    chdtrc,
    gammaln,
    stdtr,
    stdtrit,
)

from campaigns.rules.statistics import ALPHA, Difference, Interval, Sample, relative_error

SRM_ALPHA = 0.001
MOST_EXACT = 5_000
DRAWS = 4_999
STEPS = 40

type Numbers = np.ndarray[Any, Any]


def fisher(xa: int, na: int, xb: int, nb: int) -> float:
    """The exact two-sided p (Fisher, 1934): all tables at most as likely as this one."""
    successes, total = xa + xb, na + nb
    k = np.arange(max(0, successes - na), min(nb, successes) + 1)

    def ways(n: int, taken: Any) -> Any:
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


def probability_of_more(difference: Difference, *, degrees: float = inf) -> float:
    """P(B > A) of two means with flat priors, from their difference and its error."""
    if not difference.standard_error:
        return 0.5 if not difference.estimate else float(difference.estimate > 0)
    return float(stdtr(degrees, difference.estimate / difference.standard_error))


def permutation(a: Sequence[float], b: Sequence[float], *, alpha: float = ALPHA) -> Difference:
    """The difference of two means of few units, judged by drawing who was in which arm anew
    (Fisher, 1935): all draws where they are few, else ``DRAWS`` of them."""
    n, nb = len(a) + len(b), len(b)
    if comb(n, nb) <= MOST_EXACT:
        draws = np.zeros((comb(n, nb), n), dtype=bool)
        for row, chosen in enumerate(combinations(range(n), nb)):
            draws[row, list(chosen)] = True
    else:
        draws = _drawn_in([np.arange(n)], [nb], n)
        draws[0] = [False] * len(a) + [True] * nb  # what happened is one of the draws
    is_b = np.array([False] * len(a) + [True] * nb)
    return _by_draws(np.array([*a, *b], dtype=float), is_b, draws, alpha)


def switchback(
    values: Sequence[float], is_b: Sequence[bool], blocks: Sequence[int], *, alpha: float = ALPHA
) -> Difference:
    """The difference between days of B and days of A, judged by drawing the days anew within
    their blocks: weekdays, as they were drawn for the experiment (Bojinov et al., 2023)."""
    chosen, block_of = np.array(is_b, dtype=bool), np.array(blocks)
    places = [np.flatnonzero(block_of == block) for block in sorted(set(blocks))]
    sizes = [int(chosen[place].sum()) for place in places]
    draws = _drawn_in(places, sizes, len(values))
    draws[0] = chosen
    return _by_draws(np.array(values, dtype=float), chosen, draws, alpha)


def _drawn_in(places: list[Numbers], sizes: list[int], n: int) -> Numbers:
    """Rows of who could as well have been chosen: so many in each block, the same draws for the
    same figures."""
    random = np.random.default_rng(DRAWS)
    draws = np.zeros((DRAWS, n), dtype=bool)
    for place, size in zip(places, sizes, strict=True):
        ranks = random.random((DRAWS, len(place))).argsort(axis=1).argsort(axis=1)
        draws[:, place] = ranks < size
    return draws


def _by_draws(values: Numbers, chosen: Numbers, draws: Numbers, alpha: float) -> Difference:
    """The interval holds every shift that the draws do not reject."""
    estimate = float(values[chosen].mean() - values[~chosen].mean())
    weights = draws / draws.sum(axis=1, keepdims=True)
    weights -= ~draws / (~draws).sum(axis=1, keepdims=True)
    differences, shares = weights @ values, weights @ chosen
    tiny = 1e-9 * (1 + float(abs(values).max()))

    def p_of(shift: float) -> float:
        return float((abs(differences - shift * shares) >= abs(estimate - shift) - tiny).mean())

    reach = 2 * float(np.ptp(values)) + tiny
    low, high = (_edge(p_of, estimate, estimate + side * reach, alpha) for side in (-1, 1))
    interval = Interval(float(low), float(high))
    return Difference(estimate, interval, p_of(0.0), float(differences.std()))


def _edge(p_of: Callable[[float], float], inside: float, outside: float, alpha: float) -> float:
    """The last shift on the way out that is not rejected; infinite where none is."""
    if p_of(outside) > alpha:
        return copysign(inf, outside - inside)
    for _ in range(STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if p_of(middle) > alpha else (inside, middle)
    return inside
