"""Criteria over members: one queryset for many, one explained check for one. The two agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from members.metrics import MEASURES, Moment, holds, lacking
from members.models import Member
from members.models.member import MemberQuerySet
from scrm.accounts.models import Enterprise
from scrm.shared.criteria import (
    METRICS,
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
from scrm.shared.criterion_words import amount_in_words, describe_clause
from scrm.shared.sql import Sql

type Among = QuerySet[Any, int]

NOBODY = Q(pk__in=[])
INVITATION = "invitation"  # not measured: whether somebody let the member in


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """How one clause came out. Under a "not" the clause has to fail: ``passed`` says whether it
    is as the criterion wants it, ``missing`` how far the number is from that."""

    path: str
    metric: str
    op: str
    required: Value
    actual: Value | None
    window_days: int | None
    negated: bool
    passed: bool
    missing: int | None

    def as_json(self) -> dict[str, object]:
        return {
            "path": self.path,
            "metric": self.metric,
            "op": self.op,
            "required": self.required,
            "actual": self.actual,
            "window_days": self.window_days,
            "negated": self.negated,
            "passed": self.passed,
            "missing": self.missing,
        }


@dataclass(frozen=True, slots=True)
class CheckResult:
    passed: bool
    clauses: tuple[ClauseResult, ...] = ()


def matching(
    criterion: Criterion, *, enterprise: Enterprise, now: datetime, among: Among | None = None
) -> MemberQuerySet:
    """The members of an enterprise who meet a criterion, as one query.

    ``among`` limits what is measured to the members whose ids it gives.
    """
    members = Member.objects.filter(enterprise=enterprise)
    if among is not None:
        members = members.filter(pk__in=among)
    if criterion.root is None:
        return members
    return members.filter(_condition(criterion.root, Moment(enterprise, now)))


def check_member(
    criterion: Criterion, member: Member, *, now: datetime, assuming: frozenset[int] = frozenset()
) -> CheckResult:
    """Whether a member meets a criterion, and how every clause of it came out.

    ``assuming`` are classification values taken as held, as if their evidence were approved.
    """
    if criterion.root is None:
        return CheckResult(passed=True)
    check = _Check(member.pk, Moment(member.enterprise, now))
    passed = check.node(criterion.root, negated=False)
    return CheckResult(passed, tuple(check.results))


def explain(result: dict[str, object]) -> str:
    """A stored clause result as a sentence: 近 90 天购买次数 ≥ 3：实际 2，还差 1"""
    if result.get("metric") == INVITATION:
        return _("这个社群只接受邀请")
    clause = _clause_of(result)
    definition = METRICS.get(clause.metric)
    if definition is None:
        return clause.metric
    phrase = describe_clause(clause)
    if result.get("negated"):
        phrase = _("不满足“%(phrase)s”") % {"phrase": phrase}
    actual, missing = result.get("actual"), result.get("missing")
    if clause.op in {Operator.IS, Operator.IS_NOT}:
        found = _("实际在") if actual else _("实际不在")
    elif isinstance(actual, int):
        found = _("实际 %(actual)s") % {"actual": amount_in_words(actual, definition.value_type)}
        if isinstance(missing, int) and missing > 0:
            amount = amount_in_words(missing, definition.value_type)
            is_over = isinstance(clause.value, int) and actual >= clause.value
            words = _("，多了 %(amount)s") if is_over else _("，还差 %(amount)s")
            found += words % {"amount": amount}
    else:
        found = _("没有记录")
    return _("%(clause)s：%(found)s") % {"clause": phrase, "found": found}


def _condition(node: Node, moment: Moment) -> Q:
    match node:
        case Clause():
            return MEASURES[node.metric].members(node, moment)
        case Not(part):
            return ~_condition(part, moment)
        case AllOf(parts):
            everybody = ~NOBODY
            for part in parts:
                everybody &= _condition(part, moment)
            return everybody
        case AnyOf(parts):
            somebody = NOBODY
            for part in parts:
                somebody |= _condition(part, moment)
            return somebody


class _Check:
    """One walk over a criterion for one member. Every clause is measured, so that a refusal
    names all that is missing; the same measure in two clauses is taken once."""

    def __init__(self, member_id: int, moment: Moment) -> None:
        self.member_id = member_id
        self.moment = moment
        self.results: list[ClauseResult] = []
        self.measured: dict[tuple[str, int | None, Value | None], Value | None] = {}

    def node(self, node: Node, *, negated: bool) -> bool:
        """Whether the node holds, or with ``negated`` whether it does not."""
        match node:
            case Clause():
                return self.clause(node, negated=negated)
            case Not(part):
                return self.node(part, negated=not negated)
            case AllOf(parts):
                passed = [self.node(part, negated=negated) for part in parts]
                return any(passed) if negated else all(passed)
            case AnyOf(parts):
                passed = [self.node(part, negated=negated) for part in parts]
                return all(passed) if negated else any(passed)

    def clause(self, clause: Clause, *, negated: bool) -> bool:
        actual = self.actual(clause)
        passed = holds(clause.op, actual, clause.value) is not negated
        wanted = OPPOSITE.get(clause.op) if negated else clause.op
        missing = 0 if passed else None
        if wanted is not None and not passed:
            missing = lacking(wanted, actual, clause.value)
        self.results.append(
            ClauseResult(
                path=clause.path,
                metric=clause.metric,
                op=clause.op.value,
                required=clause.value,
                actual=actual,
                window_days=clause.window_days,
                negated=negated,
                passed=passed,
                missing=missing,
            )
        )
        return passed

    def actual(self, clause: Clause) -> Value | None:
        named = clause.value if isinstance(clause.value, str) else None
        key = (clause.metric, clause.window_days, named)
        if key not in self.measured:
            measure = MEASURES[clause.metric]
            self.measured[key] = measure.actual(self.member_id, clause, self.moment)
        return self.measured[key]


class Measuring:
    """Several criteria over the same members, measured in one statement."""

    def __init__(self, moment: Moment, among: Among | None = None) -> None:
        self.moment = moment
        self.among = among

    def holds(self, criterion: Criterion) -> Sql:
        """Whether a member meets the criterion: a boolean expression that is never NULL."""
        raise NotImplementedError

    def clauses(self, criterion: Criterion) -> Sql:
        """How every clause came out: a jsonb array of what ``ClauseResult.as_json`` gives."""
        raise NotImplementedError

    def source(self) -> Sql:
        """The FROM clause of all that was asked before; a member's id in it is ``m.id``."""
        raise NotImplementedError


def _clause_of(result: dict[str, object]) -> Clause:
    required, days = result.get("required"), result.get("window_days")
    return Clause(
        metric=str(result.get("metric", "")),
        op=Operator(str(result.get("op", Operator.GTE))),
        value=required if isinstance(required, int | str) else 0,
        window_days=days if isinstance(days, int) else None,
    )
