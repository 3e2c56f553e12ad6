"""Criteria as SQL: each source is read once, for everything that is asked of it."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import QuerySet

from members.criteria.results import result_of, signed_clauses, wanted_operator
from members.metrics.measures import MEASURES, Fact, Measure, Moment, NamedCriterion, Source
from members.models import Member
from scrm.shared.criteria import AllOf, AnyOf, Clause, Criterion, Node, Not, Operator
from scrm.shared.sql import Sql, joined, sql, sql_of

#: Whom to measure: the ids that a query gives, a range of ids, or one member.
type Among = QuerySet[Any, Any] | Sql | range | int

SIGNS = {
    Operator.GTE: ">=",
    Operator.GT: ">",
    Operator.LTE: "<=",
    Operator.LT: "<",
    Operator.EQ: "=",
}
MEASURED = {"actual", "passed", "missing"}
EVERYBODY = Sql("TRUE")
NOBODY = Sql("FALSE")


class Measuring:
    """Several criteria over the same members, measured in one statement.

    First ask for expressions, then for the source they speak of::

        measuring = Measuring(Moment(enterprise, now))
        clauses, holds = measuring.clauses(criterion), measuring.holds(criterion)
        statement = sql("SELECT m.id, {} {} WHERE {}", clauses, measuring.source(), holds)

    ``is_exact=False`` is enough where only ``holds`` matters, and may read less.
    """

    def __init__(
        self, moment: Moment, among: Among | None = None, *, is_exact: bool = True
    ) -> None:
        self.moment = moment
        self.among = among
        self.is_exact = is_exact
        self._facts: dict[Source, list[Fact]] = {}
        self._named: dict[tuple[str, str], Criterion] = {}

    def holds(self, criterion: Criterion) -> Sql:
        """Whether a member meets the criterion: a boolean expression that is never NULL."""
        return EVERYBODY if criterion.root is None else self._node(criterion.root)

    def clauses(self, criterion: Criterion) -> Sql:
        """How every clause came out: a jsonb array of what ``ClauseResult.as_json`` gives."""
        results = [
            self._result(clause, negated=negated) for clause, negated in signed_clauses(criterion)
        ]
        return sql("jsonb_build_array({})", joined(", ", results))

    def value(self, clause: Clause) -> Sql:
        """What a member measures: a number or NULL; for a name, whether the member has it."""
        measure = MEASURES[clause.metric]
        if isinstance(measure, NamedCriterion):
            return self.holds(self.named(measure, str(clause.value)))
        fact = measure.fact(clause, self.moment, is_exact=self.is_exact)
        return Sql(fact.reading.text.format(column=self._column(fact)), fact.reading.params)

    def named(self, measure: NamedCriterion, name: str) -> Criterion:
        """The criterion behind a name, looked up once; what it names itself is written out.

        One that names itself, which no verb lets happen, holds nobody there.
        """
        key = (measure.definition.name, name)
        if key not in self._named:
            self._named[key] = Criterion(AnyOf(()))
            behind = measure.criterion(name, self.moment.enterprise)
            self._named[key] = Criterion(self._written_out(behind.root or AllOf(())))
        return self._named[key]

    def _written_out(self, node: Node) -> Node:
        match node:
            case Not(part):
                return Not(self._written_out(part))
            case AllOf(parts):
                return AllOf(tuple(map(self._written_out, parts)))
            case AnyOf(parts):
                return AnyOf(tuple(map(self._written_out, parts)))
            case Clause():
                measure = MEASURES[node.metric]
                if not isinstance(measure, NamedCriterion):
                    return node
                behind = self.named(measure, str(node.value)).root or AllOf(())
                return behind if node.op is Operator.IS else Not(behind)

    def source(self) -> Sql:
        """The FROM clause of all that was asked before; a member's id in it is ``m.id``."""
        members = sql(
            f"FROM (SELECT id FROM {Member._meta.db_table} WHERE enterprise_id = {{}}{{}}) AS m",  # noqa: S608 - a table name
            self.moment.enterprise.pk,
            self.limit("id"),
        )
        return joined(" LEFT JOIN ", [members, *self._on("m.id", list(self._facts))])

    def matching(self, criterion: Criterion) -> Sql:
        """A query of the ids of those who meet the criterion.

        Where nobody can meet it without rows in some sources, these are joined to each other and
        the members themselves need not be read.
        """
        condition = self.holds(criterion)
        needed = _needed(criterion.root, self, negated=False)
        if not needed:
            return sql("SELECT m.id {} WHERE {}", self.source(), condition)
        first, *others = [source for source in self._facts if source in needed]
        optional = [source for source in self._facts if source not in needed]
        member = f"s{self._number(first)}.member_id"
        start = sql(f"SELECT {member} FROM ({{}}) AS ", self._grouped(first))  # noqa: S608 - a column
        start += Sql(f"s{self._number(first)}")
        inner = joined(" JOIN ", [start, *self._on(member, others)])
        outer = joined(" LEFT JOIN ", [inner, *self._on(member, optional)])
        return sql("{} WHERE {}", outer, condition)

    # --- Expressions --------------------------------------------------------------------------

    def _node(self, node: Node) -> Sql:
        match node:
            case Clause():
                return self._clause(node)
            case Not(part):
                return sql("NOT {}", self._node(part))
            case AllOf(parts):
                return sql("({})", joined(" AND ", (EVERYBODY, *map(self._node, parts))))
            case AnyOf(parts):
                return sql("({})", joined(" OR ", (NOBODY, *map(self._node, parts))))

    def _clause(self, clause: Clause) -> Sql:
        value = self.value(clause)
        if clause.op is Operator.IS:
            return value
        if clause.op is Operator.IS_NOT:
            return sql("NOT {}", value)
        compared = sql(f"{{}} {SIGNS[clause.op]} {{}}", value, clause.value)
        measure = MEASURES[clause.metric]
        may_be_missing = isinstance(measure, Measure) and measure.nothing is None
        return sql("COALESCE({}, FALSE)", compared) if may_be_missing else sql("({})", compared)

    def _result(self, clause: Clause, *, negated: bool) -> Sql:
        asked = result_of(clause, negated=negated, actual=None).as_json()
        passed = sql("NOT {}", self._clause(clause)) if negated else self._clause(clause)
        return sql(
            "{}::jsonb || jsonb_build_object('actual', {}, 'passed', {}, 'missing', {})",
            json.dumps({key: asked[key] for key in asked.keys() - MEASURED}),
            self._actual(clause),
            passed,
            sql("CASE WHEN {} THEN 0 ELSE {} END", passed, self._lacking(clause, negated=negated)),
        )

    def _actual(self, clause: Clause) -> Sql:
        if isinstance(clause.value, str):
            return sql("CASE WHEN {} THEN {} ELSE '' END", self.value(clause), clause.value)
        return self.value(clause)

    def _lacking(self, clause: Clause, *, negated: bool) -> Sql:
        wanted = wanted_operator(clause, negated=negated)
        if wanted not in SIGNS:
            return Sql("NULL")
        extra = 1 if wanted in {Operator.GT, Operator.LT} else 0
        return sql(f"abs({{}} - {{}}) + {extra}", self.value(clause), clause.value)

    # --- Sources ------------------------------------------------------------------------------

    def _column(self, fact: Fact) -> str:
        facts = self._facts.setdefault(fact.source, [])
        if fact not in facts:
            facts.append(fact)
        return f"s{self._number(fact.source)}.c{facts.index(fact)}"

    def _number(self, source: Source) -> int:
        return list(self._facts).index(source)

    def _on(self, member: str, sources: list[Source]) -> list[Sql]:
        """The sources as they are joined to a member."""
        return [
            sql(
                f"({{}}) AS s{number} ON s{number}.member_id = {member}",
                self._grouped(source),
            )
            for source in sources
            for number in [self._number(source)]
        ]

    def _grouped(self, source: Source) -> Sql:
        """One row per member with a column for each fact; reads only what some fact counts."""
        facts = self._facts[source]
        since, conditions = _earliest(facts), _conditions(facts)
        limits = [self.limit("r.member_id")]
        if since is not None:
            limits.append(sql(f" AND r.{source.time} >= {{}}", since))
        if conditions:
            limits.append(sql(" AND ({})", joined(" OR ", conditions)))
        columns = (
            _column_of(fact, is_first=fact.since == since, is_alone=len(conditions) == 1)
            + Sql(f" AS c{number}")
            for number, fact in enumerate(facts)
        )
        return sql(
            "SELECT r.member_id, {} FROM ({}) AS r WHERE TRUE{} GROUP BY r.member_id",
            joined(", ", columns),
            sql_of(source.rows(self.moment)),
            joined("", limits),
        )

    def limit(self, column: str) -> Sql:
        """`` AND`` that the column names one of those who are measured; nothing for everybody."""
        match self.among:
            case None:
                return Sql("")
            case int():
                return sql(f" AND {column} = {{}}", self.among)
            case range(start=start, stop=stop):
                return sql(f" AND {column} >= {{}} AND {column} < {{}}", start, stop)
            case Sql():
                return sql(f" AND {column} IN ({{}})", self.among)
            case _:
                ids = self.among if self.among.query.has_select_fields else self.among.values("pk")
                return sql(f" AND {column} IN ({{}})", sql_of(ids))


def matching_ids(criterion: Criterion, *, moment: Moment, among: Among | None = None) -> Sql:
    """A query of the ids of those who meet a criterion."""
    return Measuring(moment, among, is_exact=False).matching(criterion)


def _needed(node: Node | None, measuring: Measuring, *, negated: bool) -> frozenset[Source]:
    """Sources without a row in which nobody can be as the node wants it."""
    match node:
        case None:
            return frozenset()
        case Clause():
            measure = MEASURES[node.metric]
            if isinstance(measure, NamedCriterion):
                behind = measuring.named(measure, str(node.value))
                is_turned = (node.op is Operator.IS_NOT) is not negated
                return _needed(behind.root, measuring, negated=is_turned)
            is_needed = measure.is_met_by_nothing(node) is negated
            return frozenset({measure.source}) if is_needed else frozenset()
        case Not(part):
            return _needed(part, measuring, negated=not negated)
        case AllOf(parts) | AnyOf(parts):
            needs = [_needed(part, measuring, negated=negated) for part in parts]
            if isinstance(node, AllOf) is not negated:
                return frozenset().union(*needs)
            return frozenset.intersection(*needs) if needs else frozenset()


def _earliest(facts: list[Fact]) -> Any:
    """From when on rows matter; None when all of them do."""
    known = [fact.since for fact in facts if fact.since is not None]
    return min(known) if len(known) == len(facts) else None


def _conditions(facts: list[Fact]) -> list[Sql]:
    """The different conditions, one of which a row must fit; none when all rows matter."""
    known = [fact.condition for fact in facts if fact.condition is not None]
    return list(dict.fromkeys(known)) if len(known) == len(facts) else []


def _column_of(fact: Fact, *, is_first: bool, is_alone: bool) -> Sql:
    """The aggregate over those rows of the source that the fact counts."""
    filters = []
    if fact.since is not None and not is_first:
        filters.append(sql(f"r.{fact.source.time} >= {{}}", fact.since))
    if fact.condition is not None and not is_alone:
        filters.append(fact.condition)
    if not filters:
        return Sql(fact.aggregate)
    return sql(f"{fact.aggregate} FILTER (WHERE {{}})", joined(" AND ", filters))
