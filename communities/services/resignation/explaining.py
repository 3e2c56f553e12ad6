"""What of a case has come to an end by other ways than its transfer."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from communities.models import OwnershipTransfer
from communities.models.transfer import TransferItemQuerySet
from communities.rules.status import ChatState
from communities.rules.transfers import ItemState, Subject
from communities.services.resignation.closing import communities_of
from communities.services.transfers.moving import move_items


def explain_items(transfer: OwnershipTransfer) -> int:
    """End the items of a locked transfer whose chat is no more, and those whose chat or community
    belongs to somebody else already: a person has seen to it, here or on the platform. What is on
    its way is left to its verification. Returns how many; settle the transfer then."""
    items = transfer.items.filter(~Q(state=ItemState.ACCEPTED))
    gone = items.filter(subject=Subject.CHAT, chat__state=ChatState.DISSOLVED)
    return _end(gone, ItemState.GONE, "chat_is_gone") + _end(
        _elsewhere(items), ItemState.VERIFIED, "owner_changed"
    )


def _elsewhere(items: TransferItemQuerySet) -> TransferItemQuerySet:
    others = Q(chat__owner__isnull=False) & ~Q(chat__owner=F("giver"))
    still_theirs = communities_of(OuterRef("giver")).filter(pk=OuterRef("community"))
    return items.filter(
        Q(subject=Subject.CHAT) & others | Q(subject=Subject.COMMUNITY) & ~Exists(still_theirs)
    )


def _end(items: TransferItemQuerySet, state: ItemState, reason: str) -> int:
    """Nobody is told that they have got something: it was not this transfer that gave it."""
    unsent = items.exclude(state__in=[ItemState.SENDING, ItemState.UNKNOWN])
    changes: dict[str, Any] = {"reason": reason, "due_at": None, "is_announced": True}
    if state == ItemState.VERIFIED:
        changes["verified_at"] = Now()
    return move_items(unsent, state, **changes)
