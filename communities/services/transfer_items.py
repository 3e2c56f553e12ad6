"""What a person does about single items of a hand-over."""

from __future__ import annotations

from collections.abc import Sequence

from communities.models import OwnershipTransfer
from scrm.accounts.models import Staff, User


def assign_receiver(
    transfer_id: int, *, receiver: Staff, actor: User, item_ids: Sequence[int] | None = None
) -> OwnershipTransfer:
    raise NotImplementedError


def retry_items(
    transfer_id: int, *, actor: User | None, item_ids: Sequence[int] | None = None
) -> OwnershipTransfer:
    raise NotImplementedError


def waive_items(
    transfer_id: int, *, reason: str, actor: User | None, item_ids: Sequence[int] | None = None
) -> OwnershipTransfer:
    raise NotImplementedError
