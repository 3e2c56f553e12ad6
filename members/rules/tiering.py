"""When a tier is earned, kept and lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from math import ceil, floor

from scrm.shared.criteria import (
    MAX_DAYS,
    MAX_NUMBER,
    METRICS,
    AllOf,
    AnyOf,
    Clause,
    Criterion,
    MetricRegistry,
    Node,
    Not,
    Operator,
    ValueType,
)

AT_LEAST = frozenset({Operator.GTE, Operator.GT})
AT_MOST = frozenset({Operator.LTE, Operator.LT})
ROUNDED_UP = frozenset({Operator.GTE, Operator.LT})


def keep_criterion(
    criterion: Criterion, keep_factor: Decimal, *, registry: MetricRegistry = METRICS
) -> Criterion:
    """What a member has to go on meeting to keep a tier: every threshold eased by the factor.

    Of "at least 10" with 0.9 remains "at least 9", of "at most 30" "at most 33"; under a "not"
    the other way round. References and "exactly" stay as they are. Whoever meets the criterion
    meets what it is eased to.
    """
    if criterion.root is None:
        return criterion
    easing = _Easing(Fraction(keep_factor), registry)
    return Criterion(easing.node(criterion.root, negated=False))


class Change(Enum):
    NONE = "none"
    RISES = "rises"
    FALLS = "falls"


@dataclass(frozen=True, slots=True)
class Standing:
    """A member's place in one scheme: the rank held, and since which local day the member is
    below what keeping it asks. ``rank`` None: in no tier."""

    rank: int | None = None
    below_on: date | None = None
    is_locked: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    change: Change
    standing: Standing


def decide(
    held: Standing, *, earned: int | None, keeps: bool, grace_days: int, today: date
) -> Verdict:
    """What becomes of a standing. ``earned`` is the highest rank whose criterion is met, ``keeps``
    whether the eased criterion of the rank held is met, ``grace_days`` that of the rank held.

    Up at once; down only when the member has been below what keeping asks for the days of grace,
    and then to what is earned now. A locked standing never changes.
    """
    if held.is_locked:
        return Verdict(Change.NONE, held)
    if earned is not None and (held.rank is None or earned > held.rank):
        return Verdict(Change.RISES, Standing(earned))
    if held.rank is None or earned == held.rank or keeps:
        return Verdict(Change.NONE, replace(held, below_on=None))
    below_on = held.below_on or today
    if (today - below_on).days >= grace_days:
        return Verdict(Change.FALLS, Standing(earned))
    return Verdict(Change.NONE, replace(held, below_on=below_on))


@dataclass(frozen=True, slots=True)
class _Easing:
    factor: Fraction
    registry: MetricRegistry

    def node(self, node: Node, *, negated: bool) -> Node:
        match node:
            case Clause():
                return self.clause(node, negated=negated)
            case Not(part):
                return Not(self.node(part, negated=not negated))
            case AllOf(parts):
                return AllOf(tuple(self.node(part, negated=negated) for part in parts))
            case AnyOf(parts):
                return AnyOf(tuple(self.node(part, negated=negated) for part in parts))

    def clause(self, clause: Clause, *, negated: bool) -> Clause:
        if clause.op not in AT_LEAST | AT_MOST or not isinstance(clause.value, int):
            return clause
        wants_much = (clause.op in AT_LEAST) is not negated
        exact = clause.value * self.factor if wants_much else clause.value / self.factor
        value = ceil(exact) if clause.op in ROUNDED_UP else floor(exact)
        return replace(clause, value=min(value, max(clause.value, self.limit(clause))))

    def limit(self, clause: Clause) -> int:
        """The largest number that the language lets anybody write."""
        definition = self.registry.get(clause.metric)
        is_days = definition is not None and definition.value_type is ValueType.DAYS
        return MAX_DAYS if is_days else MAX_NUMBER
