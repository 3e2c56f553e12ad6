"""What a user may do with a broadcast in its present state."""

from __future__ import annotations

from campaigns.models import Broadcast
from campaigns.rules.status import BroadcastStatus, broadcast_may_become
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability

COMPOSE, APPROVE = Capability.COMPOSE_CAMPAIGNS, Capability.APPROVE_CAMPAIGNS

#: verb -> (the status it begins in, where that matters; the status it leads to; what it needs)
VERBS: dict[str, tuple[BroadcastStatus | None, BroadcastStatus, Capability]] = {
    "submit": (None, BroadcastStatus.IN_REVIEW, COMPOSE),
    "approve": (BroadcastStatus.IN_REVIEW, BroadcastStatus.APPROVED, APPROVE),
    "return_to_draft": (None, BroadcastStatus.DRAFT, COMPOSE),
    "schedule": (None, BroadcastStatus.SCHEDULED, COMPOSE),
    "unschedule": (BroadcastStatus.SCHEDULED, BroadcastStatus.APPROVED, COMPOSE),
    "pause": (None, BroadcastStatus.PAUSED, COMPOSE),
    "resume": (BroadcastStatus.PAUSED, BroadcastStatus.RUNNING, COMPOSE),
    "cancel": (None, BroadcastStatus.CANCELLED, COMPOSE),
}


def available_actions(broadcast: Broadcast, user: User) -> list[str]:
    return [verb for verb in ("edit", *VERBS) if is_available(verb, broadcast, user)]


def is_available(verb: str, broadcast: Broadcast, user: User) -> bool:
    if verb == "edit":
        return broadcast.status == BroadcastStatus.DRAFT and user.can(COMPOSE)
    begins, leads_to, capability = VERBS[verb]
    if verb == "approve" and user.pk in {broadcast.author_id, broadcast.last_editor_id}:
        return False
    if begins is not None and broadcast.status != begins:
        return False
    return broadcast_may_become(broadcast.status, leads_to) and user.can(capability)
