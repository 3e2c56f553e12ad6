"""From tables of customers to a model of their value, with the reasons where it is not their own.
Needs NumPy and SciPy: load this module where it is used."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from members.rules.btyd import BtydFit, BtydParams, expected_purchases, fit_bgnbd
from members.rules.clv import ClvParams, Numbers
from members.rules.clv_models import (
    DEFAULT_BTYD,
    DEFAULT_SHAPE,
    LEAST_BUYERS,
    LEAST_REPEATERS,
    MOST_CORRELATION,
    Note,
)
from members.rules.gamma_gamma import (
    GammaGammaFit,
    GammaGammaParams,
    expected_amount,
    fit_gamma_gamma,
)


@dataclass(frozen=True, slots=True)
class Customers:
    """Kinds of customers and how many there are of each: ``x`` repeat days of purchase, ``tx``
    and ``age`` in weeks."""

    x: Numbers
    tx: Numbers
    age: Numbers
    weights: Numbers


@dataclass(frozen=True, slots=True)
class Amounts:
    """Mean amounts ``z`` of ``x`` repeat purchases, and of how many customers."""

    x: Numbers
    z: Numbers
    weights: Numbers


@dataclass(frozen=True, slots=True)
class ClvFit:
    """Without ``params`` the fit is not sound, and ``notes`` say why."""

    params: ClvParams | None
    buyer_count: int
    repeater_count: int
    is_default: bool = False
    figures: dict[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def fit_clv(customers: Customers, amounts: Amounts, *, mean_amount: float) -> ClvFit:
    """Fit both parts. ``mean_amount`` is that of a day of purchase of all customers.

    With too few customers the published parameters stand in, with the enterprise's own mean
    amount.
    """
    buyers = int(customers.weights.sum())
    repeaters = int(customers.weights[customers.x > 0].sum())
    found = ClvFit(None, buyers, repeaters)
    if buyers < LEAST_BUYERS or repeaters < LEAST_REPEATERS:
        note: Note = {"code": "too_few_buyers", "buyers": buyers, "repeaters": repeaters}
        return replace(found, params=default_params(mean_amount), is_default=True, notes=(note,))
    own = fit_bgnbd(customers.x, customers.tx, customers.age, customers.weights)
    if not own.is_sound:
        code = "clv_at_bound" if own.converged else "clv_not_converged"
        return replace(found, figures=_figures(own, None), notes=({"code": code},))
    money = fit_gamma_gamma(amounts.x, amounts.z, amounts.weights) if amounts.x.size else None
    params, notes = _amounts(money, mean_amount)
    return replace(
        found,
        params=ClvParams(own.params, params),
        figures=_figures(own, money),
        notes=tuple(notes),
    )


def default_params(mean_amount: float) -> ClvParams:
    return ClvParams(BtydParams(*DEFAULT_BTYD), default_amounts(mean_amount))


def default_amounts(mean_amount: float) -> GammaGammaParams:
    """The published shape, on the scale of the enterprise's own mean."""
    p, q = DEFAULT_SHAPE
    return GammaGammaParams(p, q, mean_amount * (q - 1) / p)


def _amounts(
    money: GammaGammaFit | None, mean_amount: float
) -> tuple[GammaGammaParams, list[Note]]:
    if money is None or not money.is_sound:
        return default_amounts(mean_amount), [{"code": "amounts_at_bound"}]
    notes: list[Note] = []
    if abs(money.correlation) > MOST_CORRELATION:
        notes.append({"code": "correlated", "correlation": round(money.correlation, 2)})
    return money.params, notes


def _figures(own: BtydFit, money: GammaGammaFit | None) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "log_likelihood": round(own.log_likelihood, 2),
        "fitted": {
            "r": own.params.r,
            "alpha": own.params.alpha,
            "a": own.params.a,
            "b": own.params.b,
        },
    }
    if money is not None:
        figures["correlation"] = round(money.correlation, 3)
        figures["amounts_log_likelihood"] = round(money.log_likelihood, 2)
    return figures


# --- Against what happened ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class History:
    """Customers as they stood at a past day, one row each, and what they bought afterwards:
    days of purchase and money."""

    x: Numbers
    tx: Numbers
    age: Numbers
    z: Numbers
    later_days: Numbers
    later_amount: Numbers


def compare(params: ClvParams, history: History, *, weeks: float) -> dict[str, Any]:
    """What the model would have said then beside what happened within the ``weeks`` after it.

    ``ratio`` is expected over actual: below 1 the model says too little. ``mae`` is the mean
    absolute error of the days of purchase of a customer.
    """
    days = expected_purchases(params.btyd, history.x, history.tx, history.age, weeks)
    money = days * expected_amount(params.amounts, history.x, history.z)
    return {
        "days": {
            **_ratio(days, history.later_days),
            "mae": round(float(np.abs(days - history.later_days).mean()), 4),
        },
        "amount": _ratio(money, history.later_amount),
        "top_tenth": _top_share(money, history.later_amount),
    }


def _ratio(expected: Numbers, actual: Numbers) -> dict[str, float | None]:
    said, was = float(expected.sum()), float(actual.sum())
    ratio = round(said / was, 4) if was > 0 else None
    return {"expected": round(said, 1), "actual": round(was, 1), "ratio": ratio}


def _top_share(expected: Numbers, actual: Numbers) -> float | None:
    """Which part of what was bought came from the tenth that was expected to buy most."""
    total = float(actual.sum())
    if total <= 0:
        return None
    top = np.argsort(-expected, kind="stable")[: max(1, round(len(expected) / 10))]
    return round(float(actual[top].sum()) / total, 4)
