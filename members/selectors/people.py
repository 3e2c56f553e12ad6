"""How many belong to a community."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, QuerySet

from members.models import Membership


def people_of_community() -> QuerySet[Any, Any]:
    """One number for the community of the outer query: its active memberships."""
    inside = Membership.objects.active().filter(community=OuterRef("pk"))
    return inside.order_by().values("community").annotate(people=Count("pk")).values("people")
