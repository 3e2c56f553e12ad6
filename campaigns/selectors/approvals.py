"""Who has said yes to what a broadcast says now, and what was approved before."""

from __future__ import annotations

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, QuerySet

from campaigns.models import Approval, Broadcast
from campaigns.rules.guarding import Decision
from campaigns.rules.status import BroadcastStatus
from scrm.accounts.models import User

ENDS_A_ROUND = (Decision.REJECTED, Decision.VOID)


def standing(approvals: QuerySet[Approval]) -> QuerySet[Approval]:
    """Those that count: nothing has sent their broadcast back since."""
    later = Approval.objects.filter(
        broadcast=OuterRef("broadcast"), pk__gt=OuterRef("pk"), decision__in=ENDS_A_ROUND
    )
    return approvals.filter(~Exists(later), decision=Decision.APPROVED)


def with_given_approvals(broadcasts: QuerySet[Broadcast]) -> QuerySet[Broadcast]:
    """Adds ``given_approvals``: the users whose approval counts."""
    given = standing(Approval.objects.filter(broadcast=OuterRef("pk")))
    return broadcasts.annotate(
        given_approvals=ArraySubquery(given.order_by("pk").values("user_id"))
    )


def to_be_approved_by(user: User) -> QuerySet[Broadcast]:
    """What waits for this user's word: written by somebody else, and not approved by them yet."""
    own = standing(Approval.objects.filter(broadcast=OuterRef("pk"), user=user))
    waiting = Broadcast.objects.visible_to(user).filter(status=BroadcastStatus.IN_REVIEW)
    return waiting.filter(~Exists(own)).exclude(author=user).exclude(last_editor=user)


def approvals_of(broadcast: Broadcast) -> QuerySet[Approval]:
    """Everybody's word so far, the newest first."""
    return Approval.objects.filter(broadcast=broadcast).select_related("user").order_by("-pk")
