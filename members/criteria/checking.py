"""Criteria over members: one queryset for many, one explained check for one. The two agree."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models.expressions import RawSQL

from members.criteria.measuring import Among, Measuring, matching_ids
from members.criteria.results import CheckResult, is_met, result_of, signed_clauses
from members.metrics.measures import Moment
from members.metrics.standing import value_tree
from members.models import Member
from members.models.member import MemberQuerySet
from scrm.accounts.models import Enterprise
from scrm.shared.criteria import METRICS, Clause, Criterion, Value, ValueType
from scrm.shared.sql import Sql, joined, sql


def matching(
    criterion: Criterion, *, enterprise: Enterprise, now: datetime, among: Among | None = None
) -> MemberQuerySet:
    """The members of an enterprise who meet a criterion, as one query.

    ``among`` limits whom it measures: a queryset of member ids, a range of them, or one id.
    """
    members = Member.objects.filter(enterprise=enterprise)
    if criterion.root is None and among is None:
        return members
    ids = matching_ids(criterion, moment=Moment(enterprise, now), among=among)
    return members.filter(pk__in=RawSQL(ids.text, ids.params))  # noqa: S611 - values are parameters


def check_member(
    criterion: Criterion, member: Member, *, now: datetime, assuming: frozenset[int] = frozenset()
) -> CheckResult:
    """Whether a member meets a criterion, and how every clause of it came out.

    ``assuming`` are classification values taken as held, as if their evidence were approved.
    """
    if criterion.root is None:
        return CheckResult(passed=True)
    signed = signed_clauses(criterion)
    moment = Moment(member.enterprise, now)
    actuals = _measured(member, [clause for clause, _negated in signed], moment, assuming)
    results = tuple(
        result_of(clause, negated=negated, actual=actual, is_provisional=is_provisional)
        for (clause, negated), (actual, is_provisional) in zip(signed, actuals, strict=True)
    )
    return CheckResult(is_met(criterion, results), results)


def _measured(
    member: Member, clauses: list[Clause], moment: Moment, assuming: frozenset[int]
) -> list[tuple[Value | None, bool]]:
    """What each clause finds, and whether only because it is assumed."""
    measuring = Measuring(moment, among=member.pk)
    columns = [measuring.value(clause) for clause in clauses]
    columns += [_assumed(clause, moment, assuming) for clause in clauses]
    statement = sql("SELECT {} {}", joined(", ", columns), measuring.source())
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        row = cursor.fetchone() or [None] * len(columns)
    found, assumed = row[: len(clauses)], row[len(clauses) :]
    return [
        _actual(clause, value, is_assumed=is_assumed)
        for clause, value, is_assumed in zip(clauses, found, assumed, strict=True)
    ]


def _assumed(clause: Clause, moment: Moment, assuming: frozenset[int]) -> Sql:
    definition = METRICS.get(clause.metric)
    assert definition is not None
    if not assuming or definition.value_type is not ValueType.CLASSIFICATION:
        return Sql("FALSE")
    return sql("{} && {}::bigint[]", value_tree(str(clause.value), moment), sorted(assuming))


def _actual(clause: Clause, value: object, *, is_assumed: bool) -> tuple[Value | None, bool]:
    if isinstance(clause.value, str):
        return (clause.value if value or is_assumed else "", is_assumed and not value)
    return (None if value is None else int(str(value)), False)
