"""What a user may do with a broadcast, a run or a dispatch in its present state."""

from __future__ import annotations

from collections.abc import Collection

from campaigns.models import Broadcast, Dispatch, Run
from campaigns.rules.status import (
    OPEN_RUN,
    VERB_BEGINS,
    BroadcastStatus,
    DispatchStatus,
    RunStatus,
)
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability

COMPOSE, APPROVE = Capability.COMPOSE_CAMPAIGNS, Capability.APPROVE_CAMPAIGNS

#: What operators call it -> the verb, and what it needs.
VERBS: dict[str, tuple[str, Capability]] = {
    "submit": ("submit_broadcast", COMPOSE),
    "approve": ("approve_broadcast", APPROVE),
    "reject": ("return_broadcast_to_draft", APPROVE),
    "return_to_draft": ("return_broadcast_to_draft", COMPOSE),
    "schedule": ("schedule_broadcast", COMPOSE),
    "unschedule": ("unschedule_broadcast", COMPOSE),
    "pause": ("pause_broadcast", COMPOSE),
    "resume": ("resume_broadcast", COMPOSE),
    "release": ("resume_broadcast", APPROVE),
    "halt": ("halt_broadcast", COMPOSE),
    "cancel": ("cancel_broadcast", COMPOSE),
}

#: Two names for one verb: who runs a broadcast and who answers for it have a word each.
ONLY_FROM: dict[str, frozenset[BroadcastStatus]] = {
    "reject": frozenset({BroadcastStatus.IN_REVIEW}),
    "resume": frozenset({BroadcastStatus.PAUSED}),
    "release": frozenset({BroadcastStatus.HALTED}),
}

#: Of a run: what operators call it -> in which states it makes sense.
RUN_VERBS: dict[str, frozenset[RunStatus]] = {
    "retry": frozenset({RunStatus.SENDING, RunStatus.FINISHED}),
    "remind": frozenset({RunStatus.SENDING}),
    "run_missed": frozenset({RunStatus.ASKED}),
    "skip_missed": frozenset({RunStatus.ASKED}),
}

DISPATCH_VERBS: dict[str, frozenset[DispatchStatus]] = {
    "remind": frozenset({DispatchStatus.AWAITING}),
    "stop": frozenset({DispatchStatus.AWAITING}),
}


ACTIONS = ["edit", *VERBS]
RUN_ACTIONS = [*RUN_VERBS]
DISPATCH_ACTIONS = [*DISPATCH_VERBS]


def available_actions(
    broadcast: Broadcast, user: User, *, approved_by: Collection[int] = ()
) -> list[str]:
    """``approved_by``: who has approved these contents already; nobody does so twice."""
    return [
        name for name in ACTIONS if is_available(name, broadcast, user, approved_by=approved_by)
    ]


def is_available(
    name: str, broadcast: Broadcast, user: User, *, approved_by: Collection[int] = ()
) -> bool:
    if name == "edit":
        return broadcast.status == BroadcastStatus.DRAFT and user.can(COMPOSE)
    verb, capability = VERBS[name]
    begins = VERB_BEGINS[verb] & ONLY_FROM.get(name, VERB_BEGINS[verb])
    if broadcast.status not in begins or not user.can(capability):
        return False
    writers = {broadcast.author_id, broadcast.last_editor_id}
    if name == "approve":
        return user.pk not in writers.union(approved_by)
    return name != "reject" or user.pk not in writers


def actions_of_run(run: Run, user: User) -> list[str]:
    if not user.can(COMPOSE):
        return []
    return [name for name, states in RUN_VERBS.items() if run.status in states]


def actions_of_dispatch(dispatch: Dispatch, user: User) -> list[str]:
    if not user.can(COMPOSE) or dispatch.run.status not in OPEN_RUN:
        return []
    is_unconfirmed = dispatch.confirmed_at is None
    return [
        name
        for name, states in DISPATCH_VERBS.items()
        if dispatch.status in states and (is_unconfirmed or name != "remind")
    ]
