"""Answers about communities that take more than one row."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from communities.models import Community, GroupChat, JoinWay
from communities.rules.join_ways import is_code


def with_sizes(communities: QuerySet[Community]) -> QuerySet[Community]:
    """With ``member_count`` and ``capacity`` over the chats that carry each community."""
    chats = GroupChat.objects.filter(community=OuterRef("pk")).values("community")
    return communities.annotate(
        member_count=Coalesce(Subquery(chats.values(total=Sum("member_count"))), 0),
        capacity=Coalesce(Subquery(chats.values(total=Sum("capacity"))), 0),
    )


def join_way_by_code(code: str) -> JoinWay | None:
    """The way with this code, with its community; typed off a poster, capitals do not matter."""
    code = code.lower()
    if not is_code(code):
        return None
    return JoinWay.objects.select_related("community").filter(code=code).first()
