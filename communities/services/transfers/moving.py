"""The only ways in which items of a hand-over change their state in numbers."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from communities.models import TransferItem
from communities.models.transfer import TransferItemQuerySet
from communities.rules.transfer_status import sources_of
from communities.rules.transfers import HOLDING, ItemState, Subject

#: What makes two items the same thing, by subject; as in the constraints of ``TransferItem``.
SAME_THING = {
    Subject.CHAT: ["chat"],
    Subject.CUSTOMER: ["channel_account", "external_userid", "giver"],
    Subject.COMMUNITY: ["community"],
}
HOLDS = frozenset(
    {
        "one_open_transfer_of_a_chat",
        "one_open_transfer_of_a_customer",
        "one_open_transfer_of_a_community",
    }
)
MOST_TRIES = 3


def move_items(items: TransferItemQuerySet, target: ItemState, **changes: Any) -> int:
    """Move those of these items that may become ``target``; how many they were.

    One statement: an item that a worker takes meanwhile is seen as the worker left it.
    """
    return items.filter(state__in=sources_of(target)).update(state=target, **changes)


def hold_items(items: TransferItemQuerySet, target: ItemState) -> int:
    """Move planned, blocked or failed items to PENDING or QUEUED, where nobody else may hand over
    the same thing. What is held elsewhere becomes BLOCKED instead. Returns how many are held.

    Call it with the enterprise locked; the unique indexes hold even without.
    """
    for _ in range(MOST_TRIES - 1):
        _block_what_is_held(items)
        try:
            with transaction.atomic():
                return _hold(items, target)
        except IntegrityError as breach:
            if not _is_a_hold(breach):
                raise
    _block_what_is_held(items)
    return _hold(items, target)


def _hold(items: TransferItemQuerySet, target: ItemState) -> int:
    return move_items(
        items.exclude(reason="in_transfer").filter(receiver__isnull=False),
        target,
        reason="",
        platform_code=None,
        platform_message="",
        attempt_count=0,
        accepted_at=None,
        takeover_at=None,
        due_at=Now() if target == ItemState.QUEUED else None,
        token=None,
    )


def block_if_all_are_held(items: TransferItemQuerySet) -> bool:
    """Whether each of these items, none of which is held here, is held elsewhere. They are BLOCKED
    then, without anything else about them having been looked at."""
    if not items.exists() or items.exclude(_held_elsewhere()).exists():
        return False
    _block_what_is_held(items)
    return True


def _block_what_is_held(items: TransferItemQuerySet) -> None:
    able = [*sources_of(ItemState.BLOCKED), ItemState.BLOCKED]
    held = items.filter(_held_elsewhere(), state__in=able)
    held.update(state=ItemState.BLOCKED, reason="in_transfer")


def _held_elsewhere() -> Q:
    held = Q()
    for subject, names in SAME_THING.items():
        same = {name: OuterRef(name) for name in names}
        others = TransferItem.objects.filter(_covered(subject), **same).exclude(pk=OuterRef("pk"))
        held |= Q(subject=subject) & Q(Exists(others))
    return held


def _covered(subject: Subject) -> Q:
    """In the words of the partial index, so that it is used."""
    by_subject = {
        Subject.CHAT: Q(chat__isnull=False),
        Subject.CUSTOMER: Q(subject=Subject.CUSTOMER),
        Subject.COMMUNITY: Q(community__isnull=False),
    }
    return Q(state__in=sorted(HOLDING)) & by_subject[subject]


def _is_a_hold(breach: IntegrityError) -> bool:
    diagnostics = getattr(breach.__cause__, "diag", None)
    return getattr(diagnostics, "constraint_name", None) in HOLDS
