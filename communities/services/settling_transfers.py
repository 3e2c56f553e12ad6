"""What follows once items have moved."""

from __future__ import annotations

from collections.abc import Iterable


def settle_transfers(transfer_ids: Iterable[int]) -> None:
    """Whoever moved items calls this in the same transaction, once, with their transfers."""
    raise NotImplementedError
