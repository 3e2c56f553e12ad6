"""The time of a simulated company: the real one, moved or stopped as a test needs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
DAY = 86_400


@dataclass(slots=True)
class Clock:
    """Runs with real time plus an offset; a frozen one moves only when told."""

    offset: float = 0.0
    frozen_at: float | None = None
    instant: float | None = field(default=None, metadata={"kept": False})  # while it is replayed
    moved: Callable[[], None] | None = field(default=None, repr=False, metadata={"kept": False})

    def time(self) -> float:
        """Seconds since 1970."""
        if self.instant is not None:
            return self.instant
        return time.time() + self.offset if self.frozen_at is None else self.frozen_at

    def second(self) -> int:
        return int(self.time())

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float) -> None:
        if self.frozen_at is None:
            self.offset += seconds
        else:
            self.frozen_at += seconds
        self._tell()

    def set(self, moment: datetime) -> None:
        if self.frozen_at is None:
            self.offset = moment.timestamp() - time.time()
        else:
            self.frozen_at = moment.timestamp()
        self._tell()

    def freeze(self) -> None:
        self.frozen_at = self.time()

    def run(self) -> None:
        """Go on from where it stands."""
        if self.frozen_at is not None:
            self.offset, self.frozen_at = self.frozen_at - time.time(), None

    def _tell(self) -> None:
        if self.moved is not None:
            self.moved()


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def day_start(seconds: float) -> int:
    """Midnight in Beijing, where the platform's days begin."""
    local = datetime.fromtimestamp(seconds, BEIJING)
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def month_key(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, BEIJING).strftime("%Y-%m")
