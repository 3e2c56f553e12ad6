"""Hurrying a worker from a process that must not wait for the broker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings

logger = logging.getLogger(__name__)


class Bell:
    """Rings now and then if somebody asked for it, in a thread of its own. A ring that fails is
    forgotten: what is due is a row, which a sweep finds."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self.ring = ring
        self.asked = threading.Event()
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def ask(self) -> None:
        """Costs nothing and never fails."""
        if self.asked.is_set() or not settings.WECOM_WAKE_SECONDS:
            return
        self.asked.set()
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self._ring_on, daemon=True, name="bell")
                self.thread.start()

    def _ring_on(self) -> None:
        while self.asked.wait():
            self.asked.clear()
            try:
                self.ring()
            except Exception:
                logger.warning("No worker could be woken; the sweep will go on.")
            time.sleep(settings.WECOM_WAKE_SECONDS)
