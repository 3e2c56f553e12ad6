"""One slice of everything that a worker does for hand-overs: look up, send, ask, verify."""

from __future__ import annotations

SLICE_SECONDS = 5.0


def transfers_are_due() -> bool:
    """Whether a worker would find something to do now."""
    raise NotImplementedError


def run_due_transfers(*, limit: int = 1000, seconds: float = float("inf")) -> bool:
    """Do what is due, at most so many batches or for so long, in the caller's process and outside
    a transaction; whether something was done."""
    raise NotImplementedError
