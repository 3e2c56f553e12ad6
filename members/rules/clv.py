"""What a customer is expected to buy within the next twelve months, discounted: BG/NBD times
Gamma-Gamma (Fader, Hardie and Lee 2005). Needs NumPy and SciPy: load this module where it is used.

Time is in weeks; money in minor units. The margin is 100 %: whoever shows a price applies theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from members.rules.btyd import BtydParams, expected_purchases, p_alive
from members.rules.gamma_gamma import GammaGammaParams, expected_amount

type Numbers = np.ndarray[Any, np.dtype[np.float64]]

MONTHS = 12
WEEKS_A_MONTH = 365 / 7 / 12
YEARLY_DISCOUNT = 0.10


@dataclass(frozen=True, slots=True)
class ClvParams:
    btyd: BtydParams
    amounts: GammaGammaParams

    def as_json(self) -> dict[str, object]:
        own, money = self.btyd, self.amounts
        return {
            "btyd": {"r": own.r, "alpha": own.alpha, "a": own.a, "b": own.b},
            "gamma_gamma": {"p": money.p, "q": money.q, "v": money.v},
            "unit": "week",
            "months": MONTHS,
            "yearly_discount": YEARLY_DISCOUNT,
        }


def params_of(stored: dict[str, Any]) -> ClvParams:
    """From what ``as_json`` gave."""
    return ClvParams(BtydParams(**stored["btyd"]), GammaGammaParams(**stored["gamma_gamma"]))


@dataclass(frozen=True, slots=True)
class Expectation:
    """Of each customer: the probability of not having left, the days of purchase within twelve
    months, and the discounted amount."""

    alive: Numbers
    purchases: Numbers
    amount: Numbers


def expectation(params: ClvParams, x: Any, tx: Any, T: Any, z: Any) -> Expectation:  # noqa: N803
    """``x`` repeat days of purchase with the mean amount ``z``, ``tx`` and ``T`` in weeks."""
    alive = p_alive(params.btyd, x, tx, T)
    before, discounted = np.zeros_like(alive), np.zeros_like(alive)
    for month in range(1, MONTHS + 1):
        until = expected_purchases(params.btyd, x, tx, T, month * WEEKS_A_MONTH)
        discounted += (until - before) / (1 + YEARLY_DISCOUNT) ** (month / MONTHS)
        before = until
    return Expectation(alive, before, discounted * expected_amount(params.amounts, x, z))
