"""Who has said yes to what a broadcast says now, and what was approved before."""

from __future__ import annotations

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet

from campaigns.models import Approval, Broadcast
from campaigns.rules.guarding import Decision


def with_given_approvals(broadcasts: QuerySet[Broadcast]) -> QuerySet[Broadcast]:
    """Adds ``given_approvals``: the users who approved exactly these contents."""
    given = Approval.objects.filter(
        broadcast=OuterRef("pk"),
        decision=Decision.APPROVED,
        content_digest=OuterRef("content_digest"),
    ).exclude(content_digest="")
    return broadcasts.annotate(
        given_approvals=ArraySubquery(given.order_by("pk").values("user_id"))
    )
