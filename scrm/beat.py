"""Celery's scheduler, with a sign of life: celery -A scrm beat -S scrm.beat.BeatingScheduler."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from celery.beat import PersistentScheduler
from kombu.exceptions import OperationalError

from scrm.shared.heartbeats import beat_quietly

HEARTBEAT_SECONDS = 10


class BeatingScheduler(PersistentScheduler):
    """Each turn of the loop may write a heartbeat, so one that stops turning falls silent."""

    beaten_at = float("-inf")

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if self.beaten_at == float("-inf"):
            self.prove_the_way()
        if time.monotonic() - self.beaten_at >= HEARTBEAT_SECONDS:
            beat_quietly(f"beat:{socket.gethostname()}", kind="beat")
            self.beaten_at = time.monotonic()
        return super().tick(*args, **kwargs)

    def prove_the_way(self) -> None:
        """The first round trip through broker and worker at once, not after an interval."""
        with contextlib.suppress(OperationalError):
            self.app.send_task("shared.sweep_heartbeat", expires=HEARTBEAT_SECONDS)
