"""Comparing two arms by the method that their unit and their metric ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import sqrt

from campaigns.rules.distributions import (
    fisher,
    permutation,
    probability_better,
    probability_of_more,
    switchback,
    welch,
)
from campaigns.rules.experiments import ExperimentUnit
from campaigns.rules.outcomes import Arm, Compared, Method, Question, Unit, moments_of
from campaigns.rules.statistics import (
    Difference,
    Sample,
    cuped,
    newcombe,
    proportions_error,
    sequential,
    theta_of,
    two_proportions,
)

FEW_CHATS = 10
FEW_EXPECTED = 5
EARLIEST = 100  # units per arm: an asymptotic sequence says nothing about fewer


def compare(question: Question, against: Arm, arm: Arm) -> Compared:
    """At the end. Counts of people by their shares, amounts by their means, chats and days by
    theirs: what was said to a whole chat is never counted member by member."""
    if question.counts_people:
        return _by_shares(
            against, arm, (against.successes, against.n), (arm.successes, arm.n), may_be_better=True
        )
    if question.unit == ExperimentUnit.MEMBER:
        found = welch(against.sample, arm.sample)
        return _found(against, arm, Method.WELCH, found, probability=probability_of_more(found))
    return _by_units(question, against, arm, lambda unit: unit.y)


def compare_leaves(question: Question, against: Arm, arm: Arm) -> Compared:
    """How many more left, as a share of people."""
    if question.unit == ExperimentUnit.MEMBER:
        return _by_shares(against, arm, (against.left, against.people), (arm.left, arm.people))
    return _by_units(question, against, arm, lambda unit: unit.leave_rate)


def look_early(question: Question, against: Arm, arm: Arm) -> Compared | None:
    """An interval that may be looked at as often as one likes; None while it says nothing."""
    if question.counts_people:
        return _early_by_shares(
            against, arm, (against.successes, against.n), (arm.successes, arm.n)
        )
    return _early_by_means(question, against, arm, against.moments.sample, arm.moments.sample)


def look_early_at_leaves(question: Question, against: Arm, arm: Arm) -> Compared | None:
    """How many more left so far, by an interval of the same kind."""
    if question.unit == ExperimentUnit.MEMBER:
        return _early_by_shares(against, arm, (against.left, against.n), (arm.left, arm.n))
    a, b = ([unit.leave_rate for unit in one.units] for one in (against, arm))
    return _early_by_means(question, against, arm, _sample(a), _sample(b))


def _early_by_shares(
    against: Arm, arm: Arm, a: tuple[int, int], b: tuple[int, int]
) -> Compared | None:
    """With one success and one failure more than were seen, because few say little."""
    (xa, na), (xb, nb) = a, b
    if min(na, nb) < EARLIEST:
        return None
    error = proportions_error(xa + 1, na + 2, xb + 1, nb + 2)
    return _sequence(against, arm, xb / nb - xa / na, error, na + nb)


def _early_by_means(
    question: Question, against: Arm, arm: Arm, a: Sample, b: Sample
) -> Compared | None:
    error = sqrt(a.squared_error + b.squared_error)
    if question.unit == ExperimentUnit.CHAT_DAY or min(a.n, b.n) < EARLIEST or not error:
        return None
    return _sequence(against, arm, b.mean - a.mean, error, a.n + b.n)


def _sequence(against: Arm, arm: Arm, estimate: float, error: float, n: int) -> Compared:
    interval = sequential(estimate, error, n)
    return Compared(
        arm.number, against.number, Method.SEQUENCE, estimate, interval.low, interval.high
    )


def adjust(question: Question, arms: Sequence[Arm]) -> tuple[list[Arm], float]:
    """Arms without what was so before the experiment, and how much variance that took away.

    Only for amounts and rates: a count of people is compared as it is.
    """
    if question.counts_people:
        return list(arms), 0.0
    moments = [arm.moments for arm in arms]
    theta, middle = theta_of(moments)
    samples = cuped(moments)
    before = sum(one.sample.variance for one in moments)
    after = sum(sample.variance for sample in samples)
    adjusted = [
        replace(
            arm,
            adjusted=sample,
            units=tuple(replace(unit, y=unit.y - theta * (unit.x - middle)) for unit in arm.units),
        )
        for arm, sample in zip(arms, samples, strict=True)
    ]
    return adjusted, max(0.0, 1 - after / before) if before else 0.0


def _by_shares(
    against: Arm,
    arm: Arm,
    a: tuple[int, int],
    b: tuple[int, int],
    *,
    may_be_better: bool = False,
) -> Compared:
    (xa, na), (xb, nb) = a, b
    if not na or not nb:
        return Compared(arm.number, against.number, Method.FISHER, 0.0, None, None, 1.0)
    method, p = _p_of_shares(xa, na, xb, nb)
    interval = newcombe(xa, na, xb, nb)
    return Compared(
        arm.number,
        against.number,
        method,
        xb / nb - xa / na,
        interval.low,
        interval.high,
        p,
        probability=probability_better(xa, na, xb, nb) if may_be_better else None,
    )


def _p_of_shares(xa: int, na: int, xb: int, nb: int) -> tuple[Method, float]:
    """The exact test where some cell is too small for the normal one."""
    pooled = (xa + xb) / (na + nb)
    if min(na, nb) * min(pooled, 1 - pooled) < FEW_EXPECTED:
        return Method.FISHER, fisher(xa, na, xb, nb)
    return Method.TWO_PROPORTIONS, two_proportions(xa, na, xb, nb).p


def _by_units(
    question: Question, against: Arm, arm: Arm, figure: Callable[[Unit], float]
) -> Compared:
    a, b = [figure(unit) for unit in against.units], [figure(unit) for unit in arm.units]
    if question.unit == ExperimentUnit.CHAT_DAY:
        blocks = [unit.block for unit in (*against.units, *arm.units)]
        is_b = [False] * len(a) + [True] * len(b)
        return _found(against, arm, Method.SWITCHBACK, switchback([*a, *b], is_b, blocks))
    if min(len(a), len(b)) < FEW_CHATS:
        return _found(against, arm, Method.PERMUTATION, permutation(a, b))
    found = welch(_sample(a), _sample(b))
    return _found(against, arm, Method.WELCH, found, probability=probability_of_more(found))


def _sample(values: Sequence[float]) -> Sample:
    return moments_of([(value, 0.0) for value in values]).sample


def _found(
    against: Arm, arm: Arm, method: Method, found: Difference, *, probability: float | None = None
) -> Compared:
    interval = found.interval
    return Compared(
        arm.number,
        against.number,
        method,
        found.estimate,
        interval.low,
        interval.high,
        found.p,
        probability=probability,
    )
