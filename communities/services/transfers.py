"""Hand-overs from draft to submission: plan, check, submit, approve, reject, cancel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from communities.handlers import CustomerOfStaff
from communities.models import Community, GroupChat, OwnershipTransfer
from communities.services.planning_transfers import Preflight
from scrm.accounts.models import Staff, User


def draft_transfer(
    *,
    actor: User | None,
    chats: Iterable[GroupChat] = (),
    customers_of: Staff | None = None,
    customers: Sequence[CustomerOfStaff] = (),
    communities: Iterable[Community] = (),
    everything_of: Staff | None = None,
    receivers: Sequence[Staff] = (),
    reason: str = "",
    message: str = "",
) -> OwnershipTransfer:
    raise NotImplementedError


def preflight_transfer(transfer_id: int, *, actor: User | None) -> Preflight:
    raise NotImplementedError


def submit_transfer(transfer_id: int, *, actor: User | None) -> OwnershipTransfer:
    raise NotImplementedError


def approve_transfer(transfer_id: int, *, actor: User) -> OwnershipTransfer:
    raise NotImplementedError


def reject_transfer(transfer_id: int, *, reason: str, actor: User) -> OwnershipTransfer:
    raise NotImplementedError


def cancel_transfer(transfer_id: int, *, reason: str, actor: User | None) -> OwnershipTransfer:
    raise NotImplementedError
