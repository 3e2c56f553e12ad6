"""From the draft to the approval: submitting, approving, sending back, and what makes it void."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import CannotApprove
from campaigns.models import Broadcast
from campaigns.rules.status import BroadcastStatus
from campaigns.services.composing import refuse_what_cannot_be_sent
from campaigns.services.moving import locked_broadcast, move_broadcast
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability
from scrm.shared.clock import database_now


@transaction.atomic
def submit_broadcast(broadcast_id: int, *, actor: User) -> Broadcast:
    broadcast = locked_broadcast(broadcast_id)
    refuse_what_cannot_be_sent(broadcast, list(broadcast.communities.all()))
    return move_broadcast(
        broadcast, BroadcastStatus.IN_REVIEW, verb="submit_broadcast", actor=actor
    )


@transaction.atomic
def approve_broadcast(
    broadcast_id: int,
    *,
    actor: User,
    digest: str = "",
    accepts_override: bool = False,
    note: str = "",
) -> Broadcast:
    """By somebody who neither wrote nor last changed it; a full blast by two of them.

    ``digest`` is that of what the approver was shown ("" = not told): contents that changed under
    their eyes are refused. ``accepts_override`` is their word that the author's reason for a
    blocked term is good enough.
    """
    broadcast = locked_broadcast(broadcast_id)
    if not actor.can(Capability.APPROVE_CAMPAIGNS):
        raise CannotApprove(_("没有审批群发的权限。"))
    if actor.pk in {broadcast.author_id, broadcast.last_editor_id}:
        raise CannotApprove(_("作者和最后修改人不能审批这条群发，请让另一位同事审批。"))
    return move_broadcast(
        broadcast,
        BroadcastStatus.APPROVED,
        verb="approve_broadcast",
        actor=actor,
        approved_by=actor,
        approved_at=database_now(),
    )


@transaction.atomic
def return_broadcast_to_draft(broadcast_id: int, *, actor: User, reason: str = "") -> Broadcast:
    """For changes; an approval given before is void."""
    return move_broadcast(
        locked_broadcast(broadcast_id),
        BroadcastStatus.DRAFT,
        verb="return_broadcast_to_draft",
        actor=actor,
        status_reason=reason,
        approved_by=None,
        approved_at=None,
    )


def void_approval(broadcast: Broadcast, *, reason: str) -> Broadcast:
    """What was approved is no longer what would be sent: back to draft, in the caller's
    transaction, on a locked broadcast. The approvals stay, and a row says why they count no more.
    """
    return move_broadcast(
        broadcast,
        BroadcastStatus.DRAFT,
        verb="void_approval",
        actor=None,
        status_reason=reason,
        scheduled_at=None,
        approved_by=None,
        approved_at=None,
    )
