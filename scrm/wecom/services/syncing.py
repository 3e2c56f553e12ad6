"""Reading everything from the platform, step by step: start, cancel, and what is due."""

from __future__ import annotations

from datetime import datetime

from scrm.accounts.models import User
from scrm.wecom.models import SyncRun


def start_sync(connection_id: int, *, scope: str, actor: User | None) -> SyncRun:
    """Begin to read. 409 ``sync_is_running`` while one runs, ``connection_is_paused`` when paused."""
    raise NotImplementedError


def cancel_sync(run_id: int, *, actor: User) -> SyncRun:
    """Stop after the page that is being written. What was written stays."""
    raise NotImplementedError


def start_nightly_syncs(now: datetime) -> int:
    """Start what is due once in a local day; returns how many."""
    raise NotImplementedError


def waiting_syncs() -> list[int]:
    """Runs that somebody should go on with: new ones, and those whose worker died."""
    raise NotImplementedError


def advance_sync(run_id: int, *, budget: float) -> bool:
    """Go on with one run for so many seconds; whether there is more to do at once."""
    raise NotImplementedError


def advance_syncs(*, budget: float = 20.0) -> int:
    """Go on with every waiting run, in the caller's process; returns how many were worked on."""
    raise NotImplementedError
