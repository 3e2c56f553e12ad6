"""How often customers come back, and when they have left for good without a word ("buy till you
die"): BG/NBD (Fader, Hardie and Lee 2005) and MBG/NBD (Batislam, Denizel and Filiztekin 2007).

A customer is three figures: ``x`` repeat days of purchase, ``tx`` the time from the first to the
last one, ``T`` the time from the first one to now, all in one unit of time of the caller's
choice. Functions work on arrays and need NumPy and SciPy: load this module where it is used.

``1 - p_alive`` is no risk of churn: who never came back has p_alive = 1 in BG/NBD by
construction. Use ``p_silent``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]  # untyped upstream
from scipy.special import (  # type: ignore[import-untyped]  # untyped upstream
    betainc,
    betaln,
    expit,
    gammaln,
    hyp2f1,
    psi,
)

type Numbers = np.ndarray[Any, np.dtype[np.float64]]

LONGEST = 10.0  # T is rescaled to it while fitting
BOX = 14.0  # of the logarithms of the parameters while fitting
SMALLEST_R = 0.01
LARGEST = 1e4  # of r, and of a + b
SINGULAR = 1e-6  # how near a and a + b + x may come to where the formulas divide by zero


@dataclass(frozen=True, slots=True)
class BtydParams:
    """Purchases follow Gamma(r, alpha), leaving follows Beta(a, b). ``modified``: MBG/NBD, where
    one may leave right after the first purchase too. ``alpha`` is in the unit of time."""

    r: float
    alpha: float
    a: float
    b: float
    modified: bool = False


@dataclass(frozen=True, slots=True)
class BtydFit:
    """``at_bound``: the likelihood pushes a parameter out of the range in which it means
    anything (r below 0.01 or above 10,000, a + b above 10,000): do not use the fit."""

    params: BtydParams
    log_likelihood: float
    converged: bool
    at_bound: bool

    @property
    def is_sound(self) -> bool:
        return self.converged and not self.at_bound


def fit_bgnbd(x: Any, tx: Any, T: Any, weights: Any = None) -> BtydFit:  # noqa: N803 - as published
    """The BG/NBD of greatest likelihood. ``weights``: how many customers each row stands for."""
    return _fit(x, tx, T, weights, modified=False)


def fit_mbgnbd(x: Any, tx: Any, T: Any, weights: Any = None) -> BtydFit:  # noqa: N803 - as published
    """The MBG/NBD of greatest likelihood. ``weights``: how many customers each row stands for."""
    return _fit(x, tx, T, weights, modified=True)


def log_likelihood(params: BtydParams, x: Any, tx: Any, T: Any) -> Numbers:  # noqa: N803
    """Of each customer."""
    x, tx, T = _floats(x, tx, T)  # noqa: N806
    r, alpha, a, b = params.r, params.alpha, params.a, params.b
    more = x + 1.0 if params.modified else x
    rate = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    leaving = gammaln(a + b) + gammaln(b + more) - gammaln(b) - gammaln(a + b + more)
    return _array(rate + leaving + np.logaddexp(_alive(params, x, T), _gone(params, x, tx)))


def p_alive(params: BtydParams, x: Any, tx: Any, T: Any) -> Numbers:  # noqa: N803
    """The probability that the customer has not left for good."""
    x, tx, T = _floats(x, tx, T)  # noqa: N806
    return _array(expit(_alive(params, x, T) - _gone(params, x, tx)))


def p_silent(params: BtydParams, x: Any, tx: Any, T: Any, horizon: float) -> Numbers:  # noqa: N803
    """The probability of no purchase at all within the next ``horizon`` units of time:
    L(x, tx, T + H) / L(x, tx, T)."""
    x, tx, T = _floats(x, tx, T)  # noqa: N806
    gone = _gone(params, x, tx)
    later = np.logaddexp(_alive(params, x, T + horizon), gone)
    return _array(np.exp(np.minimum(0.0, later - np.logaddexp(_alive(params, x, T), gone))))


def expected_purchases(params: BtydParams, x: Any, tx: Any, T: Any, t: Any) -> Numbers:  # noqa: N803
    """How many days of purchase to expect within the next ``t`` units of time.

    The hypergeometric function is transformed after Euler: equal to the published form, and
    finite where that is not (thousands of purchases). With x = tx = T = 0: of somebody new.
    """
    x, tx, T = _floats(x, tx, T)  # noqa: N806
    a = params.a if abs(params.a - 1) > SINGULAR else 1 + SINGULAR
    more = x + 1.0 if params.modified else x
    last = a + params.b + more - 1
    last = np.where(np.abs(last) < SINGULAR, SINGULAR, last)
    z = t / (params.alpha + T + t)
    series = hyp2f1(a - 1, a + params.b - params.r - (0 if params.modified else 1), last, z)
    stays = 1 - np.exp((a - 1) * np.log1p(-z)) * series
    return _array(np.maximum(0.0, last / (a - 1) * stays * p_alive(params, x, tx, T)))


def probability_of_count(params: BtydParams, n: Any, t: float) -> Numbers:
    """P(X(t) = n) of somebody new, BG/NBD only (Fader, Hardie and Lee 2005, equation 8)."""
    n = np.asarray(n, dtype=float)
    r, alpha, a, b = params.r, params.alpha, params.a, params.b
    share = t / (alpha + t)
    stayed = betaln(a, b + n) - betaln(a, b) + gammaln(r + n) - gammaln(r) - gammaln(n + 1)
    stayed = np.exp(stayed + r * np.log1p(-share) + n * np.log(share))
    some = np.maximum(n, 1)
    left = np.exp(betaln(a + 1, b + some - 1) - betaln(a, b)) * betainc(some, r, share)
    return _array(stayed + np.where(n > 0, left, 0.0))


def _alive(params: BtydParams, x: Numbers, T: Numbers) -> Numbers:  # noqa: N803
    return _array(-(params.r + x) * np.log(params.alpha + T))


def _gone(params: BtydParams, x: Numbers, tx: Numbers) -> Numbers:
    """The same for having left after the last purchase."""
    before = params.b + x if params.modified else params.b + x - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        gone = np.log(params.a) - np.log(before) - (params.r + x) * np.log(params.alpha + tx)
    return _array(gone if params.modified else np.where(x > 0, gone, -np.inf))


def _fit(x: Any, tx: Any, T: Any, weights: Any, *, modified: bool) -> BtydFit:  # noqa: N803
    x, tx, T = _floats(x, tx, T)  # noqa: N806
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=float)
    scale = LONGEST / float(T.max()) if T.size and T.max() > 0 else 1.0
    table = _Table(x, tx * scale, T * scale, w / w.sum(), modified=modified)
    bounds = [(-BOX, BOX)] * 4
    best = minimize(table.cost, np.zeros(4), jac=True, method="L-BFGS-B", bounds=bounds)
    if not best.success:
        options = {"maxiter": 2_000, "xatol": 1e-7, "fatol": 1e-11}
        best = minimize(
            lambda logs: table.cost(logs)[0],
            best.x,
            method="Nelder-Mead",
            bounds=bounds,
            options=options,
        )
    r, alpha, a, b = (float(value) for value in np.exp(best.x))
    params = BtydParams(r, alpha / scale, a, b, modified)
    at_box = bool((np.abs(best.x) > BOX - 0.01).any())
    return BtydFit(
        params,
        float((w * log_likelihood(params, x, tx, T)).sum()),
        bool(best.success and np.isfinite(best.fun)),
        at_box or not SMALLEST_R <= r <= LARGEST or a + b > LARGEST,
    )


class _Table:
    """Customers to fit, each row with its share. What depends on x alone, which is where the
    dear functions are, is computed once for each x."""

    def __init__(self, x: Numbers, tx: Numbers, T: Numbers, w: Numbers, *, modified: bool) -> None:  # noqa: N803
        self.x, self.tx, self.T, self.w, self.modified = x, tx, T, w, modified
        self.counts, places = np.unique(x, return_inverse=True)
        self.shares = np.bincount(places, weights=w)

    def cost(self, logs: Numbers) -> tuple[float, Numbers]:
        """The mean negative log-likelihood and its gradient by the logarithms of the parameters."""
        r, alpha, a, b = np.exp(logs)
        n = self.counts
        more = n + 1.0 if self.modified else n
        value = gammaln(r + n) - gammaln(r) + r * np.log(alpha)
        value += gammaln(a + b) + gammaln(b + more) - gammaln(b) - gammaln(a + b + more)
        slopes = [
            psi(r + n) - psi(r) + np.log(alpha),
            np.full_like(n, r / alpha),
            psi(a + b) - psi(a + b + more),
            psi(a + b) + psi(b + more) - psi(b) - psi(a + b + more),
        ]
        total, times = self._by_time(BtydParams(r, alpha, a, b, self.modified))
        total += float((self.shares * value).sum())
        whole = np.array([(self.shares * slope).sum() for slope in slopes]) + times
        return -total, _array(-whole * np.exp(logs))

    def _by_time(self, params: BtydParams) -> tuple[float, Numbers]:
        """What depends on when the purchases were."""
        x, tx, T, w = self.x, self.tx, self.T, self.w  # noqa: N806
        alive, gone = _alive(params, x, T), _gone(params, x, tx)
        left = expit(gone - alive)  # the share of having left
        before = np.where(left > 0, params.b + x - (0 if self.modified else 1), 1.0)
        stayed = 1 - left
        now, then = params.alpha + T, params.alpha + tx
        slopes = [
            -(stayed * np.log(now) + left * np.log(then)),
            -(params.r + x) * (stayed / now + left / then),
            left / params.a,
            -left / before,
        ]
        value = float((w * np.logaddexp(alive, gone)).sum())
        return value, np.array([(w * slope).sum() for slope in slopes])


def _floats(*values: Any) -> tuple[Numbers, ...]:
    return tuple(np.asarray(value, dtype=float) for value in values)


def _array(values: Any) -> Numbers:
    return np.asarray(values, dtype=float)
