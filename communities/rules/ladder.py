"""Whether the tiers of a scheme ask more the higher they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scrm.shared.criteria import AllOf, Clause, Criterion, Operator

AT_LEAST = frozenset({Operator.GTE, Operator.GT})
AT_MOST = frozenset({Operator.LTE, Operator.LT})

type Question = tuple[str, str | None, int | None, bool]


@dataclass(frozen=True, slots=True)
class Slip:
    """A threshold that a higher tier sets lower than the tier below it does."""

    higher: Clause
    lower: Clause


def slips(higher: Criterion, lower: Criterion) -> tuple[Slip, ...]:
    """The thresholds of a tier that ask less than the same ones of the tier below it.

    Only what both tiers ask of everybody is compared: the criterion if it is one clause, or the
    clauses of its outermost "all", where they speak of the same metric, subject, window and
    direction.
    """
    below = _most_demanding(lower)
    return tuple(
        Slip(clause, below[question])
        for question, clause in _most_demanding(higher).items()
        if question in below and _demand(clause) < _demand(below[question])
    )


def _most_demanding(criterion: Criterion) -> dict[Question, Clause]:
    found: dict[Question, Clause] = {}
    for clause in _asked_of_everybody(criterion):
        if clause.op in AT_LEAST | AT_MOST and isinstance(clause.value, int):
            question = (clause.metric, clause.of, clause.window_days, clause.op in AT_LEAST)
            known = found.setdefault(question, clause)
            if _demand(clause) > _demand(known):
                found[question] = clause
    return found


def _asked_of_everybody(criterion: Criterion) -> Iterator[Clause]:
    match criterion.root:
        case Clause() as clause:
            yield clause
        case AllOf(parts):
            yield from (part for part in parts if isinstance(part, Clause))


def _demand(clause: Clause) -> int:
    """The threshold as a number that grows with what is asked."""
    value = int(clause.value)
    if clause.op in AT_LEAST:
        return value + (clause.op is Operator.GT)
    return -(value - (clause.op is Operator.LT))
