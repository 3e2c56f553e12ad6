"""Stopping what waits on the platform for a colleague's confirmation."""

from __future__ import annotations

from campaigns.models import Dispatch
from scrm.accounts.models import User


def stop_dispatch(dispatch_id: int, *, actor: User) -> Dispatch:
    """Withdraw what one colleague has not confirmed yet. What was sent stays sent."""
    raise NotImplementedError
