"""Answers about communities that take more than one row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from communities.models import (
    ClassificationValue,
    Community,
    GroupChat,
    JoinWay,
    ResignationCase,
    TransferItem,
)
from communities.rules.join_ways import is_code
from communities.rules.kinds import CommunityKind
from communities.rules.status import CommunityStatus
from communities.rules.transfers import ItemState
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


# From the founding to the end of each chat, one period follows the other.
GAPS = """
SELECT chat_id FROM (
    SELECT period.chat_id,
           coalesce(
               lag(period.ended_at) OVER following, coalesce(chat.founded_at, chat.created_at)
           ) < period.began_at AS is_late,
           lead(period.id) OVER following IS NULL
               AND period.ended_at < chat.dissolved_at AS is_short
    FROM communities_ownershipperiod period
    JOIN communities_groupchat chat ON chat.id = period.chat_id
    WINDOW following AS (
        PARTITION BY period.chat_id ORDER BY period.began_at, period.ended_at, period.id
    )
) checked
WHERE is_late OR is_short
UNION
SELECT chat.id FROM communities_groupchat chat
WHERE NOT EXISTS (SELECT FROM communities_ownershipperiod period WHERE period.chat_id = chat.id)
ORDER BY chat_id
"""


def chats_with_gaps() -> list[int]:
    """The chats of whose life, from founding to end, some part is in nobody's period of ownership.
    The database cannot refuse that; services keep it so."""
    with connection.cursor() as cursor:
        cursor.execute(GAPS)
        return [chat_id for (chat_id,) in cursor.fetchall()]


def left_with_leavers() -> QuerySet[GroupChat]:
    """Live chats of colleagues who are no longer active, of which no open case takes care and
    nobody has said that they stay as they are."""
    cases = ResignationCase.objects.open().filter(staff=OuterRef("owner"))
    waived = TransferItem.objects.filter(
        chat=OuterRef("pk"), giver=OuterRef("owner"), state=ItemState.WAIVED
    )
    chats = GroupChat.objects.live().filter(owner__is_active=False)
    return chats.exclude(Exists(cases)).exclude(Exists(waived))
