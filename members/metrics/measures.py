"""How a metric is measured: an aggregate over rows of a source, narrowed by what a clause says.

Windows count local days of the enterprise and include today. A fact that does not exist (never
bought, never active, in no community) is "missing" and reads as NULL; a clause over a missing
fact is not met, whatever its operator. Counts and sums are never missing: nothing counts as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet

from scrm.accounts.models import Enterprise
from scrm.shared.criteria import (
    METRICS,
    Clause,
    Criterion,
    MetricDefinition,
    Operator,
    Value,
)
from scrm.shared.sql import Sql, sql


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as one enterprise sees it."""

    enterprise: Enterprise
    now: datetime

    @property
    def today(self) -> date:
        return self.now.astimezone(self.enterprise.zone).date()

    def start_of(self, day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=self.enterprise.zone)

    def first_day(self, window_days: int) -> date:
        return self.today - timedelta(days=window_days - 1)


type Rows = QuerySet[Any, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Rows about members. In SQL they are called ``r`` and have a ``member_id``.

    ``time`` is the column that windows are about: a day, or an instant.
    """

    rows: Callable[[Moment], Rows]
    time: str = ""
    is_daily: bool = False

    def since(self, day: date, moment: Moment) -> date | datetime:
        """The first value of ``time`` that belongs to the day."""
        return day if self.is_daily else moment.start_of(day)


@dataclass(frozen=True, slots=True)
class Fact:
    """What a clause needs to know about each member; equal facts are measured once.

    ``reading`` is the value as SQL, where ``{column}`` stands for the aggregate: NULL where the
    fact is missing or the member has no rows.
    """

    source: Source
    aggregate: str
    reading: Sql
    condition: Sql | None = None  # of the rows that count
    since: date | datetime | None = None  # the earliest that count


type Reading = Callable[[Moment], Sql]
type Condition = Callable[[Clause, Moment], Sql | None]


def plain(moment: Moment) -> Sql:
    return Sql("{column}")


def days_since(moment: Moment) -> Sql:
    return Sql("(%s::date - {column})", (moment.today,))


def local_days_since(moment: Moment) -> Sql:
    zone = moment.enterprise.time_zone
    return Sql("(%s::date - ({column} AT TIME ZONE %s)::date)", (moment.today, zone))


def always(clause: Clause, moment: Moment) -> Sql | None:
    return None


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric and the way to measure it: an aggregate of the rows that fit the condition.

    The reading is what the aggregate means: a number, or for a metric that names something
    (``is``, ``is_not``) whether the member has it. ``nothing`` is the value of a member without
    such rows; None makes the fact missing. ``is_latest``: the newest row alone decides.
    """

    definition: MetricDefinition
    source: Source
    aggregate: str
    nothing: int | None = None  # False for a metric that names something
    reading: Reading = plain
    condition: Condition = always
    is_latest: bool = False

    def fact(self, clause: Clause, moment: Moment, *, is_exact: bool = True) -> Fact:
        """``is_exact=False`` is enough to say whether the clause is met, and may read less."""
        first_day = None
        if clause.window_days is not None:
            first_day = moment.first_day(clause.window_days)
        elif self.is_latest and not is_exact and clause.op in RECENT:
            first_day = moment.today - timedelta(days=int(clause.value))
        return Fact(
            source=self.source,
            aggregate=self.aggregate,
            reading=self._reading(moment),
            condition=self.condition(clause, moment),
            since=first_day and self.source.since(first_day, moment),
        )

    def is_met_by_nothing(self, clause: Clause) -> bool:
        """Whether a member without any row meets the clause."""
        actual = "" if self.nothing is False else self.nothing
        return holds(clause.op, actual, clause.value)

    def _reading(self, moment: Moment) -> Sql:
        reading = self.reading(moment)
        if self.nothing is None:
            return reading
        return sql(f"COALESCE({{}}, {self.nothing!r})", reading)


@dataclass(frozen=True, slots=True)
class NamedCriterion:
    """A metric whose clauses stand for a criterion that has a name: a member has it (``is``) who
    meets that criterion now."""

    definition: MetricDefinition
    criterion: Callable[[str, Enterprise], Criterion]


#: Asks for something that was not longer ago than so many days.
RECENT = frozenset({Operator.LTE, Operator.LT, Operator.EQ})


def holding(
    definition: MetricDefinition, source: Source, condition: Callable[[str, Moment], Sql]
) -> Measure:
    """Whether a member has at least one row that fits what the clause names."""
    return Measure(
        definition,
        source,
        aggregate="bool_or(TRUE)",
        nothing=False,
        condition=lambda clause, moment: condition(str(clause.value), moment),
    )


MEASURES: dict[str, Measure | NamedCriterion] = {}


def register_measure(measure: Measure | NamedCriterion) -> None:
    """Make a metric known to the criterion language, and measurable."""
    METRICS.register(measure.definition)
    MEASURES[measure.definition.name] = measure


def holds(op: Operator, actual: Value | None, required: Value) -> bool:
    """Whether a measured value meets a clause. A missing one meets none."""
    if actual is None:
        return False
    if op is Operator.EQ or op is Operator.IS:
        return actual == required
    if op is Operator.IS_NOT:
        return actual != required
    difference = int(actual) - int(required)
    return {
        Operator.GTE: difference >= 0,
        Operator.GT: difference > 0,
        Operator.LTE: difference <= 0,
        Operator.LT: difference < 0,
    }[op]


def lacking(op: Operator, actual: Value | None, required: Value) -> int | None:
    """How far a measured number is from meeting a clause; None when that has no answer."""
    if not isinstance(actual, int) or not isinstance(required, int):
        return None
    if holds(op, actual, required):
        return 0
    return abs(required - actual) + (1 if op in {Operator.GT, Operator.LT} else 0)


def coded(table: str, code: str, moment: Moment) -> Sql:
    """The id of the row of the enterprise that has this code, looked up once per statement."""
    return sql(
        f"(SELECT id FROM {table} WHERE enterprise_id = {{}} AND code = {{}})",  # noqa: S608 - a table name
        moment.enterprise.pk,
        code,
    )
