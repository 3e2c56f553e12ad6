"""What a person decides about an occurrence that was missed while nobody looked."""

from __future__ import annotations

from campaigns.models import Run
from scrm.accounts.models import User


def run_missed(run_id: int, *, actor: User) -> Run:
    """Send it now after all."""
    raise NotImplementedError


def skip_missed(run_id: int, *, actor: User) -> Run:
    """Leave it unsent."""
    raise NotImplementedError
