"""What a hand-over is about, and who would get what: the preflight."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from communities.handlers import CustomerOfStaff
from communities.models import GroupChat, OwnershipTransfer


@dataclass(frozen=True, slots=True)
class GiverQuota:
    """The platform's daily share of chats from one giver. ``asked``: how many chats wait for it
    here; ``days``: on how many days, today included, they will have been sent."""

    account_id: int
    giver_id: int
    used: int
    left: int
    asked: int
    days: int
    is_exhausted: bool


@dataclass(frozen=True, slots=True)
class ReceiverShare:
    """What one colleague would get of one subject in this hand-over, beside what they have and
    what else is on its way to them."""

    receiver_id: int
    subject: str
    count: int
    owned: int
    incoming: int


@dataclass(frozen=True, slots=True)
class Preflight:
    """``counts`` are by subject and state; ``reasons`` say how many items are blocked, and why."""

    needs_approval: bool
    ready: int
    blocked: int
    counts: dict[tuple[str, str], int]
    reasons: dict[str, int]
    receivers: tuple[ReceiverShare, ...]
    quotas: tuple[GiverQuota, ...]


def add_chats(transfer: OwnershipTransfer, chats: QuerySet[GroupChat] | Iterable[int]) -> int:
    """Make these chats of its enterprise items, given by their owners. Those without a known owner
    and those that it has already are left out. Returns how many are new."""
    raise NotImplementedError


def add_communities(
    transfer: OwnershipTransfer, community_ids: Iterable[int], *, giver_id: int | None = None
) -> int:
    """Make these communities items, given by ``giver_id``, who owns or advises them or is their
    backup; without one by their owners. Returns how many are new."""
    raise NotImplementedError


def add_customers(
    transfer: OwnershipTransfer, giver_id: int, customers: Sequence[CustomerOfStaff]
) -> int:
    """Make these customers items, given by the colleague who follows them. Returns how many are
    new."""
    raise NotImplementedError


def preflight(transfer_id: int, *, retried: Collection[int] = ()) -> Preflight:
    """Plan what is PLANNED, BLOCKED or PENDING again: receiver, policy, selection, reason, route.

    Call it with the transfer locked. A PENDING item stays so, with its receiver where that is
    still possible, or becomes BLOCKED; the others become PLANNED or BLOCKED. ``retried`` are FAILED
    items to be planned too: one that may go again keeps its state, without a reason, for the
    caller to move on; the others become BLOCKED.
    """
    raise NotImplementedError


def preflight_of(transfer: OwnershipTransfer) -> Preflight:
    """The same tables from what was planned last; changes nothing."""
    raise NotImplementedError
