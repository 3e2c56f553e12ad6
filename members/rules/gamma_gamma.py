"""What customers spend each time: the Gamma-Gamma model (Fader, Hardie and Lee 2005, "RFM and
CLV"; Fader and Hardie 2013, "The Gamma-Gamma Model of Monetary Value").

``x`` is how many purchases stand behind the mean amount ``z``. It assumes that how much somebody
spends says nothing about how often: look at ``correlation`` of a fit. Needs NumPy and SciPy: load
this module where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]  # untyped upstream
from scipy.special import gammaln, psi  # type: ignore[import-untyped]  # untyped upstream

type Numbers = np.ndarray[Any, np.dtype[np.float64]]

BOX = 14.0
SMALLEST_Q = 1.01  # the mean of somebody new is p v / (q - 1)
LARGEST = 1e4


@dataclass(frozen=True, slots=True)
class GammaGammaParams:
    """``v`` is in the unit of money."""

    p: float
    q: float
    v: float

    @property
    def mean(self) -> float:
        """The mean amount of a purchase over all customers."""
        return self.p * self.v / (self.q - 1)


@dataclass(frozen=True, slots=True)
class GammaGammaFit:
    """``at_bound``: q at most 1, where the mean does not exist, or a parameter without end."""

    params: GammaGammaParams
    log_likelihood: float
    converged: bool
    at_bound: bool
    correlation: float
    buyer_count: float

    @property
    def is_sound(self) -> bool:
        return self.converged and not self.at_bound


def fit_gamma_gamma(x: Any, z: Any, weights: Any = None) -> GammaGammaFit:
    """The Gamma-Gamma of greatest likelihood, from those with x > 0 and z > 0.

    ``weights``: how many customers each row stands for. Raises ``ValueError`` without any row.
    """
    x, z = np.asarray(x, dtype=float), np.asarray(z, dtype=float)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=float)
    used = (x > 0) & (z > 0)
    x, z, w = x[used], z[used], w[used]
    if not x.size:
        raise ValueError("nobody with a repeat purchase")
    unit = float((w * z).sum() / w.sum())
    data = (x, z / unit, w / w.sum())

    def cost(logs: Numbers) -> tuple[float, Numbers]:
        return _cost(logs, *data)

    bounds = [(-BOX, BOX)] * 3
    best = minimize(cost, np.log([2.0, 2.0, 1.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    if not best.success:
        options = {"maxiter": 2_000, "xatol": 1e-7, "fatol": 1e-11}
        best = minimize(
            lambda logs: cost(logs)[0], best.x, method="Nelder-Mead", bounds=bounds, options=options
        )
    p, q, v = (float(value) for value in np.exp(best.x))
    total = float(w.sum())
    return GammaGammaFit(
        GammaGammaParams(p, q, v * unit),
        -float(best.fun) * total - total * float(np.log(unit)),
        bool(best.success and np.isfinite(best.fun)),
        q < SMALLEST_Q or max(p, q, v) > LARGEST or p < 1 / LARGEST,
        _correlation(x, z, w),
        total,
    )


def expected_amount(params: GammaGammaParams, x: Any, z: Any) -> Numbers:
    """What the customer's next purchase is expected to come to; the mean of all for x = 0."""
    x, z = np.asarray(x, dtype=float), np.asarray(z, dtype=float)
    p, q, v = params.p, params.q, params.v
    with np.errstate(divide="ignore", invalid="ignore"):
        own = p * (v + x * z) / (p * x + q - 1)
    return np.asarray(np.where((x > 0) & (z > 0), own, params.mean), dtype=float)


def _cost(logs: Numbers, x: Numbers, z: Numbers, w: Numbers) -> tuple[float, Numbers]:
    """The mean negative log-likelihood and its gradient by the logarithms of the parameters."""
    p, q, v = np.exp(logs)
    px, whole = p * x, np.log(x * z + v)
    value = gammaln(px + q) - gammaln(px) - gammaln(q) + q * np.log(v)
    value += (px - 1) * np.log(z) + px * np.log(x) - (px + q) * whole
    both = psi(px + q)
    by_p = x * (both - psi(px) + np.log(z) + np.log(x) - whole)
    by_q = both - psi(q) + np.log(v) - whole
    by_v = q / v - (px + q) / (x * z + v)
    slopes = np.array([(w * by).sum() for by in (by_p, by_q, by_v)])
    return -float((w * value).sum()), np.asarray(-slopes * np.exp(logs), dtype=float)


def _correlation(x: Numbers, z: Numbers, w: Numbers) -> float:
    """Of frequency and amount; 0 where one of them does not vary."""
    total = w.sum()
    dx, dz = x - (w * x).sum() / total, z - (w * z).sum() / total
    spread = np.sqrt((w * dx * dx).sum() * (w * dz * dz).sum())
    return float((w * dx * dz).sum() / spread) if spread > 0 else 0.0
