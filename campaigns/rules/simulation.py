"""Drawing what a broadcast may bring, from cells of recipients and the runs of the past.

Loads NumPy: imported where a forecast is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np

from campaigns.rules.forecasts import (
    DRAWS,
    LEVEL,
    USUAL_DAYS,
    WINDOW_DAYS,
    Cell,
    LeaveRow,
    Option,
    Outlook,
    Past,
    Range,
    Terms,
    Trial,
)

type Numbers = np.ndarray[Any, Any]

# What is believed before anything was seen: weak, and said to be an assumption wherever shown.
# Constant, advert share, messages in seven days, dormant, new, probability of falling silent.
# No public data of leaves per message was found; the signs follow the survey of Localytics (2017).
LEAVE_MEAN = (-5.5, 2.0, 0.2, 0.9, 0.7, 1.0)
LEAVE_SD = (1.0, 1.0, 0.2, 0.7, 0.7, 0.7)
RUNS_DIFFER = 0.25  # variance between runs of the log-odds of leaving

BELIEFS = {"delivered": 0.97, "clicked": 0.05, "ordered": 0.01}
BELIEF_WEIGHT = 200.0  # in recipients
SEGMENT_WEIGHT = 200.0
USUAL_PRECISION = 30.0  # of a rate from one run to the next, where few runs are known
FEW_RUNS = 5
PRECISIONS = (5.0, 5000.0)

STEPS = 60
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class LeaveModel:
    """P(leaves within the window | sent) = logistic(features · mean), with how sure we are of the
    coefficients and how much runs differ beyond them (variance of the log-odds)."""

    mean: Numbers
    covariance: Numbers
    spread: float


@dataclass(frozen=True, slots=True)
class Rate:
    """A share that is ``mean`` on the average and differs from run to run as a Beta of so much
    precision does; ``by_segment`` are shrunk to the mean of all."""

    mean: float
    precision: float
    by_segment: Mapping[str, float]

    def of(self, segments: Sequence[str]) -> Numbers:
        return np.array([self.by_segment.get(segment, self.mean) for segment in segments])


# --- learning -----------------------------------------------------------------------------------


def fit_leaves(rows: Sequence[LeaveRow]) -> LeaveModel:
    """Logistic regression on grouped counts by Newton's method, with a ridge to the belief.

    The ridge makes the objective strictly concave, and a step is halved until it helps: so it
    converges whatever the rows are, and without rows the belief is what remains.
    """
    prior, precision = np.array(LEAVE_MEAN), np.diag(1 / np.array(LEAVE_SD) ** 2)
    b = prior.copy()
    if not rows:
        return LeaveModel(b, np.linalg.inv(precision), RUNS_DIFFER)
    x = np.array([row.features for row in rows], dtype=float)
    n = np.array([row.people for row in rows], dtype=float)
    y = np.array([row.left for row in rows], dtype=float)

    def objective(at: Numbers) -> float:
        eta = x @ at
        return float(
            y @ eta - n @ np.logaddexp(0, eta) - (at - prior) @ precision @ (at - prior) / 2
        )

    for _ in range(STEPS):
        p = expit(x @ b)
        gradient = x.T @ (y - n * p) - precision @ (b - prior)
        information = (x * (n * p * (1 - p))[:, None]).T @ x + precision
        step = np.linalg.solve(information, gradient)
        here = objective(b)
        while objective(b + step) < here - TOLERANCE and np.abs(step).max() > TOLERANCE:
            step = step / 2
        b = b + step
        if np.abs(step).max() < TOLERANCE:
            break
    p = expit(x @ b)
    information = (x * (n * p * (1 - p))[:, None]).T @ x + precision
    return LeaveModel(b, np.linalg.inv(information), _spread(rows, n * p))


def _spread(rows: Sequence[LeaveRow], expected: Numbers) -> float:
    """How much runs differ beyond chance, by the moments of what was seen and expected; few runs
    are taken together with the belief."""
    seen: dict[int, list[float]] = {}
    for row, value in zip(rows, expected, strict=True):
        pair = seen.setdefault(row.run, [0.0, 0.0])
        pair[0] += row.left
        pair[1] += float(value)
    total = sum(value for _, value in seen.values())
    if not total:
        return RUNS_DIFFER
    beyond = sum((left - value) ** 2 - value for left, value in seen.values())
    weight = sum(value**2 for _, value in seen.values())
    variance = min(2.0, max(0.0, beyond / weight))
    return (len(seen) * variance + FEW_RUNS * RUNS_DIFFER) / (len(seen) + FEW_RUNS)


def rate_of(
    name: str, trials: Sequence[Trial], by_segment: Mapping[str, Trial] | None = None
) -> Rate:
    """A share from its runs: the mean by Beta shrinkage to the belief, each segment's to that
    mean, and the precision from how the runs differ (method of moments)."""
    happened, of = sum(one.happened for one in trials), sum(one.of for one in trials)
    mean = (happened + BELIEF_WEIGHT * BELIEFS[name]) / (of + BELIEF_WEIGHT)
    segments = {
        segment: (one.happened + SEGMENT_WEIGHT * mean) / (one.of + SEGMENT_WEIGHT)
        for segment, one in (by_segment or {}).items()
    }
    return Rate(mean, _precision(trials, mean), segments)


def _precision(trials: Sequence[Trial], mean: float) -> float:
    known = [one for one in trials if one.of]
    if len(known) < 2:
        return USUAL_PRECISION
    rates = np.array([one.happened / one.of for one in known])
    by_chance = np.array([mean * (1 - mean) / one.of for one in known])
    beyond = float(((rates - mean) ** 2 - by_chance).mean())
    low, high = PRECISIONS
    found = high if beyond <= 0 else min(high, max(low, mean * (1 - mean) / beyond - 1))
    weights = len(known), FEW_RUNS
    logs = weights[0] * log(found) + weights[1] * log(USUAL_PRECISION)
    return float(np.exp(logs / sum(weights)))


# --- drawing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Expected:
    """Per cell, what one recipient is expected to bring and to cost."""

    deliver: Rate
    order: Numbers
    leave: Numbers
    value: Numbers
    usual: Numbers  # orders of the window without a message
    price: float
    usual_leave: float
    margin: float

    @property
    def gain(self) -> Numbers:
        gain: Numbers = (self.order - self.usual) * self.price * self.margin
        return gain

    @property
    def net(self) -> Numbers:
        beyond = np.maximum(0.0, self.leave - self.usual_leave)
        net: Numbers = self.deliver.mean * (self.gain - beyond * self.value)
        return net


@dataclass(frozen=True, slots=True)
class Simulated:
    """``cells`` are those with people, ``nets`` what one recipient of each is expected to bring."""

    outlooks: list[Outlook]
    cells: list[Cell]
    nets: list[float]


def simulate(
    cells: Sequence[Cell], past: Past, terms: Terms, *, seed: int, draws: int = DRAWS
) -> Simulated:
    """For the audience as it is chosen, for everybody who can be reached, and for the best: those
    with the largest gain times the chance of staying, as many as bring the most together.

    The same seed gives the same draws. Without people there is nothing to say.
    """
    cells = [cell for cell in cells if cell.people]
    if not cells:
        return Simulated([], [], [])
    worlds = _Worlds.of(cells, past, seed=seed, draws=draws)
    expected = _expected(cells, past, terms, worlds.leave.mean(axis=0))
    chosen = np.array([cell.chosen for cell in cells])
    people = np.array([cell.people for cell in cells])
    order = np.argsort(-expected.gain * (1 - expected.leave), kind="stable")
    counts = {Option.CHOSEN: chosen}
    if (people != chosen).any():
        counts[Option.ALL] = people
    counts[Option.TOP] = _best(people, expected.net, order)
    found = [
        _outlook(option, count, worlds, expected, terms, order=order, seed=seed)
        for option, count in counts.items()
        if count.any()
    ]
    return Simulated(found, cells, [float(one) for one in expected.net])


def _best(people: Numbers, net: Numbers, order: Numbers) -> Numbers:
    sums = np.cumsum((people * net)[order])
    last = int(sums.argmax())
    best = np.zeros_like(people)
    if sums[last] > 0:
        best[order[: last + 1]] = people[order[: last + 1]]
    return best


def _expected(cells: Sequence[Cell], past: Past, terms: Terms, leave: Numbers) -> _Expected:
    segments = [cell.segment for cell in cells]
    value, valued = sum(cell.value_amount for cell in cells), sum(cell.valued for cell in cells)
    mean_value = value / valued if valued else 0.0
    people = np.array([cell.people for cell in cells], dtype=float)
    orders = sum(cell.usual_orders for cell in cells)
    price = past.order_amount
    if not price and orders:
        price = sum(cell.spent_amount for cell in cells) / orders
    own = np.array([cell.value_amount for cell in cells], dtype=float)
    unvalued = people - np.array([cell.valued for cell in cells])
    usual = np.array([cell.usual_orders for cell in cells]) * WINDOW_DAYS / USUAL_DAYS / people
    return _Expected(
        deliver=rate_of("delivered", past.delivered),
        order=rate_of("ordered", past.ordered, past.ordered_by).of(segments),
        leave=leave,
        value=(own + unvalued * mean_value) / people,
        usual=usual,
        price=max(0.0, price),
        usual_leave=past.usual_leave_rate,
        margin=terms.margin_percent / 100,
    )


@dataclass(frozen=True, slots=True)
class _Worlds:
    """What may be true: in each draw one delivery rate, and rates of each cell."""

    deliver: Numbers
    click: Numbers
    order: Numbers
    leave: Numbers

    @classmethod
    def of(cls, cells: Sequence[Cell], past: Past, *, seed: int, draws: int) -> _Worlds:
        random = np.random.default_rng(seed)
        segments = [cell.segment for cell in cells]
        click = rate_of("clicked", past.clicked, past.clicked_by)
        order = rate_of("ordered", past.ordered, past.ordered_by)
        model = fit_leaves(past.left)
        x = np.array([cell.features for cell in cells])
        around = random.multivariate_normal(model.mean, model.covariance, size=draws)
        run = random.normal(0.0, sqrt(model.spread), size=draws)
        return cls(
            deliver=_drawn(random, rate_of("delivered", past.delivered), draws),
            click=_with_run(random, click, click.of(segments), draws),
            order=_with_run(random, order, order.of(segments), draws),
            leave=expit(around @ x.T + run[:, None]),
        )


def _drawn(random: np.random.Generator, rate: Rate, draws: int) -> Numbers:
    return random.beta(rate.mean * rate.precision, (1 - rate.mean) * rate.precision, size=draws)


def _with_run(random: np.random.Generator, rate: Rate, cells: Numbers, draws: int) -> Numbers:
    """What a message says is the same for all: a good one is good in every cell."""
    factor = _drawn(random, rate, draws) / rate.mean
    return np.minimum(1.0, factor[:, None] * cells[None, :])


def _outlook(
    option: Option,
    counts: Numbers,
    worlds: _Worlds,
    expected: _Expected,
    terms: Terms,
    *,
    order: Numbers,
    seed: int,
) -> Outlook:
    random = np.random.default_rng([seed, list(Option).index(option)])
    treated = np.rint(counts * terms.treated_share).astype(np.int64)
    reach = random.binomial(treated[None, :], worlds.deliver[:, None])
    clicks, orders = random.binomial(reach, worlds.click), random.binomial(reach, worlds.order)
    leaves = random.binomial(reach, worlds.leave)
    beyond = np.maximum(0.0, leaves - expected.usual_leave * reach) @ expected.value
    uplift = (orders - expected.usual[None, :] * reach).sum(axis=1)
    margin = uplift * expected.price * expected.margin
    drawn = {
        "reach": reach.sum(axis=1),
        "clicks": clicks.sum(axis=1),
        "orders": orders.sum(axis=1),
        "leaves": leaves.sum(axis=1),
        "value_at_stake": leaves @ expected.value,
        "margin": margin,
        "net": margin - beyond - terms.cost_amount,
    }
    losing = (expected.net < 0) & (counts > 0)
    return Outlook(
        option=option,
        people=int(counts.sum()),
        figures={name: _range(values) for name, values in drawn.items()},
        marginal_amount=float(expected.net[[at for at in order if counts[at]][-1]]),
        losing=int(counts[losing].sum()),
        losing_amount=float(-(expected.net * counts)[losing].sum()),
    )


def _range(values: Numbers) -> Range:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Range(float(values.mean()), float(low), float(high))


def expit(x: Numbers) -> Numbers:
    result: Numbers = 1 / (1 + np.exp(-np.clip(x, -500, 500)))
    return result
