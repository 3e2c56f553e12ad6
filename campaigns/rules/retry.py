"""How long to wait before trying again, and how often."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from math import ceil, sqrt

BASE_SECONDS = 2.0
CAP_SECONDS = 600.0
FLOOR_SECONDS = 0.2

#: A channel that is away is asked this often, over about two hours.
MAX_ATTEMPTS = 20
#: Work that silences whoever takes it (killed, out of memory) is taken this often. Before it is
#: given up it is cut, twice, so that those who are not the cause get through: 1,000 to 32 to 1.
MAX_LOST = 4
LOST_BEFORE_CUTTING = 2
#: Work that makes us raise is tried this often, and is cut after two tries.
MAX_BROKEN = 5

#: What a colleague has still to confirm is asked about first after this long.
ASK_FIRST_AFTER_SECONDS = 120.0

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


def part_size(recipients: int, *, tries: int) -> int:
    """So large are the parts that a dispatch is cut into after so many tries: first the root of
    it, then single recipients."""
    return max(1, ceil(sqrt(recipients))) if tries <= LOST_BEFORE_CUTTING else 1


def bounded_retry_after(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, FLOOR_SECONDS), MAX_RETRY_AFTER_SECONDS))
