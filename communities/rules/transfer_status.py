"""What a hand-over has come to, as its items say."""

from __future__ import annotations

from collections.abc import Mapping

from communities.rules.transfers import (
    AT_WORK,
    HOLDING,
    ITEM_MOVES,
    UNDER_WAY,
    ItemState,
    TransferStatus,
)

#: Still to be approved or sent, or not known whether it was sent.
UNFINISHED = HOLDING - {ItemState.ACCEPTED} | {ItemState.PLANNED}
#: Somebody has to look at it, or the customer did not want it.
IN_TROUBLE = frozenset({ItemState.FAILED, ItemState.REFUSED, ItemState.BLOCKED})
#: A person can do something about it: retry it, choose somebody else, or give it up.
MENDABLE = frozenset({ItemState.FAILED, ItemState.BLOCKED})
#: A person may still change what becomes of it.
OPEN_ITEMS = frozenset(
    {
        ItemState.PLANNED,
        ItemState.BLOCKED,
        ItemState.PENDING,
        ItemState.QUEUED,
        ItemState.FAILED,
    }
)
#: Not yet submitted, or sent back: submitting is the next step.
SUBMITTABLE = frozenset({TransferStatus.DRAFT, TransferStatus.REJECTED})
#: The status follows from the items.
DERIVED = AT_WORK | {TransferStatus.AWAITING_APPROVAL}


def sources_of(target: str) -> list[str]:
    """The states from which an item may move to this one."""
    return sorted(state for state, targets in ITEM_MOVES.items() if target in targets)


def status_of(counts: Mapping[str, int], *, is_at_work: bool = True) -> TransferStatus:
    """The status of a submitted hand-over with so many items in each state.

    ``is_at_work``: it was approved once, or needed no approval; items changed since, which wait
    for theirs, do not hold up the rest.
    """
    present = {state for state, count in counts.items() if count}
    if ItemState.PENDING in present and not is_at_work:
        return TransferStatus.AWAITING_APPROVAL
    if present & UNFINISHED:
        return TransferStatus.SUBMITTED
    if present & IN_TROUBLE:
        anything = present & {ItemState.VERIFIED, ItemState.ACCEPTED}
        return TransferStatus.PARTIALLY_SUCCEEDED if anything else TransferStatus.FAILED
    if ItemState.ACCEPTED in present:
        return TransferStatus.SUCCEEDED
    return TransferStatus.VERIFIED


def is_closed(counts: Mapping[str, int]) -> bool:
    """Whether nothing of a submitted hand-over will move by itself any more."""
    return not any(counts.get(state) for state in UNFINISHED | UNDER_WAY)
