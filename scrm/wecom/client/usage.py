"""How much one session of calls used, told once when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from scrm.wecom.client.errors import WecomRefusal


@dataclass(slots=True)
class ApiUsage:
    """Of one interface in one session. Every try counts."""

    api: str
    calls: int = 0
    refused: int = 0
    slowest_ms: int = 0
    last_code: str = ""
    last_refused_at: datetime | None = None
    parked_until: datetime | None = None

    def count(self, *, ms: int) -> None:
        self.calls += 1
        self.slowest_ms = max(self.slowest_ms, ms)

    def count_refusal(self, refusal: WecomRefusal, *, parked_for: float | None = None) -> None:
        """``last_code`` is the platform's, or a word for what came instead of an answer."""
        self.refused += 1
        self.last_code = str(refusal.code) if refusal.code else refusal.message[:20]
        self.last_refused_at = timezone.now()
        if parked_for is not None:
            self.parked_until = self.last_refused_at + timedelta(seconds=parked_for)
