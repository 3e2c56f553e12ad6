"""Celery's scheduler, with a sign of life: celery -A scrm beat -S scrm.beat.BeatingScheduler."""

from __future__ import annotations

import socket
import time
from typing import Any

from celery.beat import PersistentScheduler

from scrm.shared.heartbeats import beat_quietly

HEARTBEAT_SECONDS = 10


class BeatingScheduler(PersistentScheduler):
    """Each turn of the loop may write a heartbeat, so one that stops turning falls silent."""

    beaten_at = float("-inf")

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if time.monotonic() - self.beaten_at >= HEARTBEAT_SECONDS:
            beat_quietly(f"beat:{socket.gethostname()}", kind="beat")
            self.beaten_at = time.monotonic()
        return super().tick(*args, **kwargs)
