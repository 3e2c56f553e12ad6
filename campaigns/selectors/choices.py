"""What a user may do with a broadcast in its present state."""

from __future__ import annotations

from campaigns.models import Broadcast
from campaigns.rules.status import VERB_BEGINS, BroadcastStatus
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability

COMPOSE, APPROVE = Capability.COMPOSE_CAMPAIGNS, Capability.APPROVE_CAMPAIGNS

#: What operators call it -> the verb, and what it needs.
VERBS: dict[str, tuple[str, Capability]] = {
    "submit": ("submit_broadcast", COMPOSE),
    "approve": ("approve_broadcast", APPROVE),
    "return_to_draft": ("return_broadcast_to_draft", COMPOSE),
    "schedule": ("schedule_broadcast", COMPOSE),
    "unschedule": ("unschedule_broadcast", COMPOSE),
    "pause": ("pause_broadcast", COMPOSE),
    "resume": ("resume_broadcast", COMPOSE),
    "cancel": ("cancel_broadcast", COMPOSE),
}


def available_actions(broadcast: Broadcast, user: User) -> list[str]:
    return [name for name in ("edit", *VERBS) if is_available(name, broadcast, user)]


def is_available(name: str, broadcast: Broadcast, user: User) -> bool:
    if name == "edit":
        return broadcast.status == BroadcastStatus.DRAFT and user.can(COMPOSE)
    if name == "approve" and user.pk in {broadcast.author_id, broadcast.last_editor_id}:
        return False
    verb, capability = VERBS[name]
    return broadcast.status in VERB_BEGINS[verb] and user.can(capability)
