"""Telling both owners, in the app, what has changed hands."""

from __future__ import annotations

from collections.abc import Iterable


def plan_notices(transfer_ids: Iterable[int]) -> None:
    """Plan what both sides are told of items newly verified, in the caller's transaction, which
    also verified them. A second call plans nothing."""


def send_due_notices() -> bool:
    """Send what is due, each notice once. Whether there was anything. Outside a transaction."""
    return False
