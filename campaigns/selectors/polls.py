"""Whether the platform is to be asked about something now."""

from __future__ import annotations

from campaigns.models import Dispatch
from campaigns.rules.status import POLLED_DISPATCH
from scrm.shared.clock import database_now


def has_due_polls() -> bool:
    due = Dispatch.objects.filter(status__in=sorted(POLLED_DISPATCH), due_at__lte=database_now())
    return due.exists()
