"""Answers about communities that take more than one row."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from communities.models import Community, GroupChat, JoinWay
from communities.rules.join_ways import is_code
from scrm.shared.criteria import METRICS, Criterion, CriterionError, ValueType


def unknown_references(criterion: Criterion, *, enterprise_id: int) -> tuple[CriterionError, ...]:
    """The clauses that name a community which this enterprise does not have."""
    named = [
        clause
        for clause in criterion.clauses()
        if (definition := METRICS.get(clause.metric))
        and definition.value_type is ValueType.COMMUNITY
    ]
    if not named:
        return ()
    known = set(
        Community.objects.filter(
            enterprise=enterprise_id, code__in=[str(clause.value) for clause in named]
        ).values_list("code", flat=True)
    )
    return tuple(
        CriterionError(
            f"{clause.path}.value",
            "unknown_community",
            _("没有代码为“%(code)s”的社群。") % {"code": clause.value},
        )
        for clause in named
        if clause.value not in known
    )


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
