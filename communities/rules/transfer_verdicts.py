"""What becomes of an item: what every source of news about it has in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from communities.rules.transfers import ItemState

#: An item is sent at most so often; what the platform did not take for want of time does not count.
MOST_ATTEMPTS = 8
#: From this attempt on it is sent alone: whatever goes wrong with it hurts only itself.
ALONE_AFTER = 4
#: A call that we lost sight of has reached the platform, and shows, after so long.
SETTLED_AFTER = timedelta(seconds=10)
#: What nobody tells for so long is told no more.
NO_RECORD_AFTER = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wait``: after how many seconds of ours the item is looked at again. ``counts``: whether
    this was one of its attempts. ``day_is_spent``: the giver's share of the day is used up. Empty
    instants leave what is known."""

    state: ItemState
    reason: str = ""
    code: int | None = None
    message: str = ""
    wait: float | None = None
    counts: bool = True
    day_is_spent: bool = False
    route: str = ""
    accepted_at: datetime | None = None
    takeover_at: datetime | None = None
    verified_at: datetime | None = None
