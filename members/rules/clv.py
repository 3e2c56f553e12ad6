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


#: Every purchase comes to exactly 1: p v / (q - 1).
UNIT_AMOUNT = GammaGammaParams(1.0, 2.0, 1.0)


@dataclass(frozen=True, slots=True)
class Expectation:
    """Of each customer: the probability of not having left, the days of purchase within twelve
    months, and the discounted amount."""

    alive: Numbers
    purchases: Numbers
    amount: Numbers


def expectation_of_days(
    params: ClvParams, x: Any, last: Any, age: Any, repeat_amount: Any
) -> Expectation:
    """The same from whole days since the first purchase, and what the repeat purchases came to
    together. Customers with the same days are computed once."""
    x, last, age = (np.asarray(value, dtype=np.int64) for value in (x, last, age))
    money = np.asarray(repeat_amount, dtype=float)
    keys, places = np.unique((x << 40) | (last << 20) | age, return_inverse=True)
    mask = (1 << 20) - 1
    of_kind = expectation(
        ClvParams(params.btyd, UNIT_AMOUNT),
        keys >> 40,
        ((keys >> 20) & mask) / 7,
        (keys & mask) / 7,
        0.0,
    )
    mean = np.divide(money, x, out=np.zeros_like(money), where=x > 0)
    amount = of_kind.amount[places] * expected_amount(params.amounts, x, mean)
    return Expectation(of_kind.alive[places], of_kind.purchases[places], amount)


def expectation(params: ClvParams, x: Any, tx: Any, T: Any, z: Any) -> Expectation:  # noqa: N803
    """``x`` repeat days of purchase with the mean amount ``z``, ``tx`` and ``T`` in weeks."""
    alive = p_alive(params.btyd, x, tx, T)
    before, discounted = np.zeros_like(alive), np.zeros_like(alive)
    for month in range(1, MONTHS + 1):
        until = expected_purchases(params.btyd, x, tx, T, month * WEEKS_A_MONTH)
        discounted += (until - before) / (1 + YEARLY_DISCOUNT) ** (month / MONTHS)
        before = until
    return Expectation(alive, before, discounted * expected_amount(params.amounts, x, z))
