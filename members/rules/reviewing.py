"""How long things around an application may take."""

from __future__ import annotations

from datetime import datetime, timedelta

UNDO_SECONDS = 10  # a person's decision takes effect only then, and can be taken back before
CLAIM_LEASE = timedelta(minutes=15)  # how long a reviewer holds an application without deciding
EVIDENCE_DEADLINE = timedelta(days=14)  # how long an application waits for photos
SEAT_DEADLINE = timedelta(days=30)  # how long an admitted member waits for a place
NEARLY_DUE = timedelta(hours=2)


def urgency(due_at: datetime | None, *, now: datetime) -> str:
    """How pressing a review is, as the colour of its label: danger, warning or success."""
    if due_at is None:
        return "success"
    if due_at <= now:
        return "danger"
    return "warning" if due_at - now <= NEARLY_DUE else "success"
