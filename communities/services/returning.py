"""Giving chats back to those who had them, as long as the platform allows it."""

from __future__ import annotations

from collections.abc import Sequence

from communities.models import OwnershipTransfer
from scrm.accounts.models import User


def return_transfer(
    transfer_id: int, *, actor: User, item_ids: Sequence[int] | None = None
) -> OwnershipTransfer:
    """A draft of the way back."""
    raise NotImplementedError
