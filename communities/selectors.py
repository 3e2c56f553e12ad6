"""Answers about communities that take more than one row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from communities.models import ClassificationValue, Community, GroupChat, JoinWay
from communities.rules.join_ways import is_code
from communities.rules.kinds import CommunityKind
from communities.rules.status import CommunityStatus
from communities.rules.tree import at_or_below

#: A community has this long to grow before it is called too small.
GROWING_TIME = timedelta(days=30)

type Headcount = Callable[[], QuerySet[Any, Any]]


def _seats_taken() -> QuerySet[Any, Any]:
    """One number for the community of the outer query: heads in its chats."""
    chats = GroupChat.objects.filter(community=OuterRef("pk")).order_by().values("community")
    return chats.annotate(people=Sum("member_count")).values("people")


_headcounts: list[Headcount] = [_seats_taken]


def count_people_by(headcount: Headcount) -> None:
    """Called by the app that knows who belongs. Heads in chats count people twice who are in two
    chats, and nobody where a community has no chat yet."""
    _headcounts.append(headcount)


def with_sizes(communities: QuerySet[Community]) -> QuerySet[Community]:
    """With ``member_count`` and ``capacity`` over the chats that carry each community."""
    chats = GroupChat.objects.filter(community=OuterRef("pk")).values("community")
    return communities.annotate(
        member_count=Coalesce(Subquery(chats.values(total=Sum("member_count"))), 0),
        capacity=Coalesce(Subquery(chats.values(total=Sum("capacity"))), 0),
    )


def with_people(communities: QuerySet[Community]) -> QuerySet[Community]:
    """With ``people_count``: how many belong to each community now."""
    return communities.annotate(people_count=Coalesce(Subquery(_headcounts[-1]()), 0))


def undersized(communities: QuerySet[Community], *, now: datetime) -> QuerySet[Community]:
    """Running long enough to have grown, and still below the minimum size. A flash community is
    not meant to last, so it is never called too small."""
    grown_up = communities.filter(
        status=CommunityStatus.ACTIVE, created_at__lte=now - GROWING_TIME
    ).exclude(kind=CommunityKind.FLASH)
    return with_people(grown_up).filter(Q(people_count__lt=F("minimum_size")))


def join_way_by_code(code: str) -> JoinWay | None:
    """The way with this code, with its community; typed off a poster, capitals do not matter."""
    code = code.lower()
    if not is_code(code):
        return None
    return JoinWay.objects.select_related("community").filter(code=code).first()


def values_at_or_below(
    values: Iterable[ClassificationValue],
) -> dict[ClassificationValue, frozenset[int]]:
    """The ids of each value and of all under it, in one query."""
    named = list(values)
    axes = {value.axis_id for value in named}
    rows = ClassificationValue.objects.filter(axis__in=axes)
    parents = dict(rows.values_list("pk", "parent_id"))
    return {value: at_or_below(parents, value.pk) for value in named}
