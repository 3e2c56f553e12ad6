"""Asking the platform what became of what waits for a colleague's confirmation."""

from __future__ import annotations


def poll_due_dispatches(*, limit: int = 40) -> bool:
    """Ask about the dispatches that are due; whether more may be. Outside a transaction."""
    raise NotImplementedError
