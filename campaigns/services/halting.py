"""A person's word against a broadcast that runs, and the word that lets it go on."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import CannotMove
from campaigns.models import Broadcast
from campaigns.rules.status import BroadcastStatus
from campaigns.services.controlling import halt_broadcast, resume_broadcast
from campaigns.services.moving import locked_broadcast
from scrm.accounts.models import User

BY_HAND = "by_hand"


def halt_by_hand(broadcast_id: int, *, actor: User, reason: str) -> Broadcast:
    return halt_broadcast(broadcast_id, actor=actor, code=BY_HAND, reason=reason)


@transaction.atomic
def release_broadcast(broadcast_id: int, *, actor: User, reason: str) -> Broadcast:
    """Lets a halted broadcast go on; a paused one is resumed by whoever runs it."""
    broadcast = locked_broadcast(broadcast_id)
    if broadcast.status != BroadcastStatus.HALTED:
        raise CannotMove(
            _("只有已叫停的群发可以这样恢复，这条是“%(status)s”。")
            % {"status": broadcast.get_status_display()}
        )
    return resume_broadcast(broadcast_id, actor=actor, reason=reason)
