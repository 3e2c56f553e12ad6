"""How long to wait before trying again, and how often."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

BASE_SECONDS = 2.0
CAP_SECONDS = 600.0
FLOOR_SECONDS = 0.2

#: A channel that is away is asked this often, over about two hours.
MAX_ATTEMPTS = 20
#: Work that silences whoever takes it (killed, out of memory) is taken this often.
MAX_LOST = 5

#: So many troubles in a row make a whole run wait, not just the dispatch that met them.
TROUBLES_BEFORE_HOLDING = 3
HOLD_CAP_SECONDS = 30.0
MAX_RETRY_AFTER_SECONDS = 3600.0


def backoff(attempt: int, *, chance: Callable[[], float] = random.random) -> timedelta:
    """Full jitter: anything up to a bound that doubles with every attempt."""
    bound = min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(attempt - 1, 30))
    return timedelta(seconds=max(FLOOR_SECONDS, bound * chance()))


def hold(troubles: int, *, chance: Callable[[], float] = random.random) -> timedelta | None:
    """How long a run waits after so many troubles in a row; not at all after a few."""
    if troubles < TROUBLES_BEFORE_HOLDING:
        return None
    bound = min(HOLD_CAP_SECONDS, 2.0 ** min(troubles - TROUBLES_BEFORE_HOLDING, 30))
    return timedelta(seconds=bound * (0.5 + chance() / 2))


def bounded_retry_after(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, FLOOR_SECONDS), MAX_RETRY_AFTER_SECONDS))
