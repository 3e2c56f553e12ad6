"""How the clauses of a criterion came out for one member."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from members.metrics.measures import holds, lacking
from scrm.shared.criteria import (
    OPPOSITE,
    AllOf,
    AnyOf,
    Clause,
    Criterion,
    Node,
    Not,
    Operator,
    Value,
)


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """How one clause came out. Under a "not" the clause has to fail: ``passed`` says whether it
    is as the criterion wants it, ``missing`` how far the number is from that. ``provisional``:
    only because something was assumed that is not yet so."""

    path: str
    metric: str
    op: str
    required: Value
    actual: Value | None
    window_days: int | None
    of: str | None
    negated: bool
    passed: bool
    missing: int | None
    provisional: bool = False

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CheckResult:
    passed: bool
    clauses: tuple[ClauseResult, ...] = ()


def result_of(
    clause: Clause, *, negated: bool, actual: Value | None, is_provisional: bool = False
) -> ClauseResult:
    passed = holds(clause.op, actual, clause.value) is not negated
    wanted = wanted_operator(clause, negated=negated)
    missing = 0 if passed else None
    if wanted is not None and not passed:
        missing = lacking(wanted, actual, clause.value)
    return ClauseResult(
        path=clause.path,
        metric=clause.metric,
        op=clause.op.value,
        required=clause.value,
        actual=actual,
        window_days=clause.window_days,
        of=clause.of,
        negated=negated,
        passed=passed,
        missing=missing,
        provisional=is_provisional,
    )


def wanted_operator(clause: Clause, *, negated: bool) -> Operator | None:
    """What has to hold for the clause to be as the criterion wants it, where one operator says
    that."""
    return OPPOSITE.get(clause.op) if negated else clause.op


def signed_clauses(criterion: Criterion) -> tuple[tuple[Clause, bool], ...]:
    """Every clause, and whether it stands under an odd number of "not"."""
    return () if criterion.root is None else tuple(_signed(criterion.root, negated=False))


def _signed(node: Node, *, negated: bool) -> Iterator[tuple[Clause, bool]]:
    match node:
        case Clause():
            yield node, negated
        case Not(part):
            yield from _signed(part, negated=not negated)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _signed(part, negated=negated)


def is_met(criterion: Criterion, results: tuple[ClauseResult, ...]) -> bool:
    """Whether the criterion is met, given how its clauses came out, in their order."""
    came_out = iter(results)

    def met(node: Node) -> bool:
        match node:
            case Clause():
                result = next(came_out)
                return result.passed is not result.negated
            case Not(part):
                return not met(part)
            case AllOf(parts) | AnyOf(parts):
                every = [met(part) for part in parts]  # all of them, or the results get out of step
                return all(every) if isinstance(node, AllOf) else any(every)

    return criterion.root is None or met(criterion.root)
