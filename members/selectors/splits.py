"""Who would go where if a community were split, and how a split that was started is coming on.

A member belongs to one branch: on each axis the value from the strongest source counts (evidence,
colleague, import, rule), of equally strong ones the latest. Who has no value on one of the axes
stays in the parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from communities.models import ClassificationAxis, ClassificationValue, Community, SplitBranch
from communities.services.belonging import refuse_strangers
from members.errors import BadAxes, BadLevel, BadMinimumSize, TooManyBranches
from members.models import Membership
from members.rules.splitting import (
    MAX_AXES,
    MAX_BRANCHES,
    MAX_LEVEL,
    MAX_SIZE,
    places_at,
)
from members.rules.standing import STRENGTH, InvitationStatus

#: Of each current member the value on each axis (in ``targets``, NULL where there is none).
PLACED = """
    SELECT member_id, ARRAY[{targets}] AS targets,
           coalesce(bool_or(is_ambiguous), false) AS is_ambiguous
    FROM (
        SELECT membership.member_id, held.axis,
               (array_agg(held.target ORDER BY held.strength DESC, held.granted_at DESC,
                          held.id DESC))[1] AS target,
               count(DISTINCT held.target) > 1 AS is_ambiguous
        FROM members_membership membership
        LEFT JOIN (
            SELECT known.id, known.member_id, known.granted_at, place.axis, place.target,
                   array_position(%(strength)s::text[], known.source::text) AS strength
            FROM members_memberclassification known
            JOIN unnest(%(values)s::bigint[], %(axes)s::bigint[], %(targets)s::bigint[])
                 AS place(value, axis, target) ON place.value = known.value_id
            WHERE known.ended_at IS NULL
              AND (known.expires_at IS NULL OR known.expires_at > now())
        ) held ON held.member_id = membership.member_id
        WHERE membership.community_id = %(community)s AND membership.left_at IS NULL
              {among}
        GROUP BY membership.member_id, held.axis
    ) per_axis
    GROUP BY member_id
"""
TARGET = "max(target) FILTER (WHERE axis = %(axis_{number})s)"
COUNTS = """
SELECT targets, count(*), count(*) FILTER (WHERE is_ambiguous)
FROM ({placed}) placed GROUP BY targets
"""


@dataclass(frozen=True, slots=True)
class Placing:
    """A community cut along axes, as SQL: ``sql`` yields (member_id, targets, is_ambiguous)."""

    sql: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Combination:
    """One value of each axis, in the order of the axes, and how many current members have them."""

    values: tuple[ClassificationValue, ...]
    member_count: int
    is_viable: bool


@dataclass(frozen=True, slots=True)
class ValueCount:
    """How many current members have one value, whatever they have on the other axes."""

    value: ClassificationValue
    member_count: int


@dataclass(frozen=True, slots=True)
class SplitPreview:
    """What a split would come to; the largest first.

    ``remaining_count`` people stay in the parent: those without a value on some axis, and those
    of combinations below the minimum size. ``ambiguous_count`` people have several values on an
    axis and were placed by the strongest and latest one.
    """

    member_count: int
    minimum_size: int
    combinations: list[Combination]
    values: list[ValueCount]
    unclassified_count: int
    ambiguous_count: int
    remaining_count: int


def preview_split(
    community: Community,
    *,
    axes: Sequence[ClassificationAxis],
    level: int = 1,
    minimum_size: int | None = None,
) -> SplitPreview:
    """Head-counts of the current members, by one grouped statement."""
    minimum = community.minimum_size if minimum_size is None else minimum_size
    ordered = in_order(axes)
    _refuse_bad_cut(community, ordered, level=level, minimum_size=minimum)
    known = {value.pk: value for value in _values_of(ordered)}
    counts = _counted(placing(community.pk, axes=ordered, level=level, values=known.values()))
    whole = {targets: n for targets, (n, _several) in counts.items() if None not in targets}
    if len(whole) > MAX_BRANCHES:
        raise TooManyBranches(
            _("这样会拆成 %(count)d 个群，最多 %(limit)d 个；请少选维度，或按更上一级的值拆。")
            % {"count": len(whole), "limit": MAX_BRANCHES}
        )
    combinations = [
        Combination(tuple(known[t] for t in targets if t), count, count >= minimum)
        for targets, count in sorted(whole.items(), key=lambda item: (-item[1], str(item[0])))
    ]
    total = sum(count for count, _several in counts.values())
    placed = sum(one.member_count for one in combinations if one.is_viable)
    return SplitPreview(
        member_count=total,
        minimum_size=minimum,
        combinations=combinations,
        values=_per_value(counts, known),
        unclassified_count=total - sum(whole.values()),
        ambiguous_count=sum(several for _count, several in counts.values()),
        remaining_count=total - placed,
    )


def _refuse_bad_cut(
    community: Community, axes: Sequence[ClassificationAxis], *, level: int, minimum_size: int
) -> None:
    """What could not be right for this community at any moment."""
    if not 1 <= len(axes) <= MAX_AXES:
        raise BadAxes(_("请选 1 到 %(limit)d 个维度。") % {"limit": MAX_AXES})
    if not 1 <= level <= MAX_LEVEL:
        raise BadLevel(_("级别应是 1 到 %(limit)d。") % {"limit": MAX_LEVEL})
    if not 1 <= minimum_size <= MAX_SIZE:
        raise BadMinimumSize(_("最小规模应是 1 到 %(limit)d。") % {"limit": MAX_SIZE})
    refuse_strangers(community.enterprise_id, axes)


def in_order(axes: Iterable[ClassificationAxis]) -> list[ClassificationAxis]:
    """The axes of a plan are a set; everywhere they are told in this order."""
    return sorted(set(axes), key=lambda axis: axis.pk)


def placing(
    community_id: int,
    *,
    axes: Sequence[ClassificationAxis],
    level: int,
    values: Iterable[ClassificationValue] | None = None,
    among: str = "",
) -> Placing:
    """``among`` narrows the memberships; its parameters are the caller's to add."""
    rows = _values_of(axes) if values is None else values
    axis_of = {value.pk: value.axis_id for value in rows}
    parents = {value.pk: value.parent_id for value in rows}
    places = places_at(parents, level)
    targets = ", ".join(TARGET.format(number=number) for number in range(len(axes)))
    return Placing(
        PLACED.format(targets=targets, among=among),
        {
            "community": community_id,
            "strength": [source.value for source in STRENGTH],
            "values": list(places),
            "axes": [axis_of[value] for value in places],
            "targets": list(places.values()),
            **{f"axis_{number}": axis.pk for number, axis in enumerate(axes)},
        },
    )


def _values_of(axes: Iterable[ClassificationAxis]) -> list[ClassificationValue]:
    return list(ClassificationValue.objects.filter(axis__in=axes).select_related("axis"))


type Targets = tuple[int | None, ...]


def _counted(placed: Placing) -> dict[Targets, tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(COUNTS.format(placed=placed.sql), placed.params)
        return {tuple(targets): (count, several) for targets, count, several in cursor.fetchall()}


def _per_value(
    counts: dict[Targets, tuple[int, int]], known: dict[int, ClassificationValue]
) -> list[ValueCount]:
    totals: dict[int, int] = {}
    for targets, (count, _several) in counts.items():
        for target in targets:
            if target is not None:
                totals[target] = totals.get(target, 0) + count
    rows = [ValueCount(known[target], count) for target, count in totals.items()]
    return sorted(rows, key=lambda row: (row.value.axis_id, -row.member_count, row.value.pk))


def with_progress(branches: QuerySet[SplitBranch]) -> QuerySet[SplitBranch]:
    """With how many of each branch were listed, invited, have come and so on; and in
    ``still_in_parent_count`` how many have not moved out of the parent yet, whatever they said."""
    still_there = Membership.objects.active().filter(
        member=OuterRef("invitations__member"), community=OuterRef("plan__community")
    )
    return branches.annotate(
        **{
            f"{status.value}_count": Count("invitations", filter=Q(invitations__status=status))
            for status in InvitationStatus
        },
        still_in_parent_count=Count("invitations", filter=Exists(still_there)),
    )
