"""Reminding colleagues who have not confirmed yet what they are asked to send."""

from __future__ import annotations

from campaigns.models import Dispatch
from scrm.accounts.models import User


def remind_dispatch(dispatch_id: int, *, actor: User | None) -> Dispatch:
    """Remind one colleague of what waits for them; the platform allows three times in 24 hours."""
    raise NotImplementedError


def remind_run(run_id: int, *, actor: User | None) -> int:
    """Remind everybody whom the platform still lets us remind; returns how many."""
    raise NotImplementedError
