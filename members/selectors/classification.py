"""Who is classified how: to narrow lists of members, and to count them along several axes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from communities.models import ClassificationAxis, ClassificationValue, Community
from communities.rules.tree import ancestor_at
from communities.selectors import values_at_or_below
from members.models import Member, MemberClassification, Membership
from scrm.shared.sql import Sql, joined, sql, sql_of

MAX_AXES = 3
MAX_ROWS = 10_000  # combinations that a report lists, the largest first
TABLE = MemberClassification._meta.db_table
HELD = f"""
SELECT DISTINCT c.member_id, v.shown_id
FROM {TABLE} c JOIN unnest({{}}::bigint[], {{}}::bigint[]) AS v (id, shown_id) ON v.id = c.value_id
WHERE c.ended_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > {{}})
"""  # noqa: S608 - a table name


def having_one_of(
    members: QuerySet[Member], value_ids: Collection[int], *, now: datetime
) -> QuerySet[Member]:
    holders = MemberClassification.objects.in_force(now).filter(value__in=value_ids)
    return members.filter(pk__in=holders.values("member"))


def classified_as(
    members: QuerySet[Member], values: Iterable[ClassificationValue], *, now: datetime
) -> QuerySet[Member]:
    """Those who have every one of the values, or one below it."""
    for value_ids in values_at_or_below(values).values():
        members = having_one_of(members, value_ids, now=now)
    return members


@dataclass(frozen=True)
class Combination:
    """How many members have these values, one an axis; None stands for "not classified"."""

    values: tuple[ClassificationValue | None, ...]
    member_count: int


@dataclass(frozen=True)
class Report:
    """``member_count`` counts everybody once. On an axis that is not exclusive a member with
    several values counts in each, so the combinations may add up to more."""

    axes: tuple[ClassificationAxis, ...]
    combinations: tuple[Combination, ...]
    member_count: int
    is_complete: bool
    as_of: datetime


def classification_report(
    axes: Sequence[ClassificationAxis],
    *,
    members: QuerySet[Member],
    now: datetime,
    community: Community | None = None,
    level: int | None = None,
) -> Report:
    """Count members per combination of values, with one statement that groups.

    With a ``level``, values below it count as their ancestor there; 1 is the top of the tree.
    """
    if community is not None:
        inside = Membership.objects.active().filter(community=community)
        members = members.filter(pk__in=inside.values("member"))
    if not axes:
        return Report((), (), members.count(), is_complete=True, as_of=now)
    people = sql_of(members.order_by().values("pk"))
    values = list(ClassificationValue.objects.filter(axis__in=axes))
    counted = sql(
        "SELECT {}, count(*) FROM ({}) AS people (id) {} GROUP BY {} "
        "ORDER BY count(*) DESC, {} LIMIT {}",
        _columns(len(axes)),
        people,
        joined(" ", (_held(number, axis, values, level, now) for number, axis in enumerate(axes))),
        _columns(len(axes)),
        _columns(len(axes)),
        MAX_ROWS + 1,
    )
    rows = _rows(counted)
    named: dict[int | None, ClassificationValue] = {value.pk: value for value in values}
    return Report(
        axes=tuple(axes),
        combinations=tuple(
            Combination(tuple(named.get(pk) for pk in held), count)
            for *held, count in rows[:MAX_ROWS]
        ),
        member_count=members.count(),
        is_complete=len(rows) <= MAX_ROWS,
        as_of=now,
    )


def _columns(width: int) -> Sql:
    return Sql(", ".join(f"a{number}.shown_id" for number in range(width)))


def _held(
    number: int,
    axis: ClassificationAxis,
    values: list[ClassificationValue],
    level: int | None,
    now: datetime,
) -> Sql:
    """Each member's values on one axis, every value once, as the report shows them."""
    parents = {value.pk: value.parent_id for value in values if value.axis_id == axis.pk}
    held = sorted(parents)
    shown = held if level is None else [ancestor_at(parents, pk, level=level) for pk in held]
    joins = f"LEFT JOIN ({HELD}) AS a{number} ON a{number}.member_id = people.id"
    return sql(joins, held, shown, now)


def _rows(statement: Sql) -> list[tuple[int, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        return list(cursor.fetchall())
