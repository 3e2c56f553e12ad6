"""Fitting the churn model: ridge logistic regression that starts from the coefficients at hand.

Iteratively reweighted least squares, which is Newton's method (McCullagh and Nelder 1989, 2.5),
with the penalty of a normal prior around given coefficients (le Cessie and van Houwelingen 1992).
With few rows the result stays near those coefficients, with many it forgets them. Needs NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from members.rules.btyd import BtydFit, fit_bgnbd
from members.rules.churn import ChurnModel
from members.rules.churn_scoring import logistic, recency_frequency, standardised

type Numbers = np.ndarray[Any, Any]

RIDGE = 20.0  # how many rows the coefficients at hand are worth, roughly
RIDGE_OF_INTERCEPT = 1.0  # how often people fall silent differs from community to community
LEAST_ROWS = 300  # fewer give no coefficients of one's own …
LEAST_CHURNERS = 30  # … nor do fewer who fell silent
LEAST_LABELS = 100  # with fewer labelled rows there is nothing to learn from
MOST_STEPS = 50
TOLERANCE = 1e-8
LEAST_WEEKLY_MEMBERS = 100  # for a fit over active weeks


@dataclass(frozen=True, slots=True)
class LogisticFit:
    """``model`` means something only where it converged."""

    model: ChurnModel
    converged: bool
    steps: int


def fit_logistic(
    values: Numbers,
    fell_silent: Numbers,
    *,
    prior: ChurnModel,
    version: str,
    ridge: float = RIDGE,
) -> LogisticFit:
    """The coefficients of greatest penalised likelihood, on the means and deviations of the prior.

    The penalty keeps them finite even where a feature separates the silent from the others, and
    leaves a feature without variance as it was.
    """
    x = np.column_stack([np.ones(len(values)), standardised(prior, values)])
    y = np.asarray(fell_silent, dtype=float)
    centre = np.array([prior.intercept, *(term.coefficient for term in prior.terms)])
    penalty = np.array([RIDGE_OF_INTERCEPT, *(ridge for _term in prior.terms)])
    beta, converged, steps = _newton(x, y, centre, penalty)
    terms = tuple(
        term._replace(coefficient=float(coefficient))
        for term, coefficient in zip(prior.terms, beta[1:], strict=True)
    )
    return LogisticFit(ChurnModel(version, float(beta[0]), terms), converged, steps)


def _newton(x: Numbers, y: Numbers, centre: Numbers, penalty: Numbers) -> tuple[Numbers, bool, int]:
    if not np.isfinite(x).all():
        return centre, False, 0
    beta, cost = centre.copy(), _cost(centre, x, y, centre, penalty)
    for step in range(1, MOST_STEPS + 1):
        p = logistic(x @ beta)
        slope = x.T @ (y - p) - penalty * (beta - centre)
        curve = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        move = np.linalg.solve(curve, slope)
        scale = 1.0
        while (after := _cost(beta + scale * move, x, y, centre, penalty)) > cost and scale > 1e-6:
            scale /= 2
        beta, cost = beta + scale * move, after
        if np.abs(scale * move).max() < TOLERANCE:
            return beta, True, step
    return beta, False, MOST_STEPS


def _cost(beta: Numbers, x: Numbers, y: Numbers, centre: Numbers, penalty: Numbers) -> float:
    log_odds = x @ beta
    lost = np.logaddexp(0, log_odds) - y * log_odds
    return float(lost.sum() + 0.5 * (penalty * (beta - centre) ** 2).sum())


def fit_weekly(weeks: Numbers) -> BtydFit:
    """BG/NBD over the active weeks of everybody seen in them, on the table of distinct rows."""
    x, tx, T = recency_frequency(weeks[weeks != 0])  # noqa: N806 - as published
    rows, counts = np.unique(np.column_stack([x, tx, T]), axis=0, return_counts=True)
    return fit_bgnbd(rows[:, 0], rows[:, 1], rows[:, 2], weights=counts)
