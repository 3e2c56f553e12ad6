"""Trying again those for whom it failed, apart by cause."""

from __future__ import annotations

from collections.abc import Sequence

from scrm.accounts.models import User


def retry_failed(run_id: int, *, actor: User, reasons: Sequence[str]) -> int:
    """New dispatches for the recipients of a run that failed for one of these reasons; how many
    recipients. Refused (``nothing_to_retry``) when there are none."""
    raise NotImplementedError
