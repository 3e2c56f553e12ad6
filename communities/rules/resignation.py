"""How long a case may take, and how often it is looked after."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from scrm.wecom.rules.limits import CHATS_HANDED_OVER_A_DAY, INHERITABLE_DAYS

#: So long before the platform's year is over a person is warned.
WARNING_DAYS = 30


def deadline_of(left_at: datetime) -> datetime:
    """Until when the platform lets others inherit what somebody left with."""
    return left_at + timedelta(days=INHERITABLE_DAYS)


def warns_at(left_at: datetime) -> datetime:
    return deadline_of(left_at) - timedelta(days=WARNING_DAYS)


def days_needed(chats: int, *, left: int) -> int:
    """On how many days of the platform so many chats of one giver are sent, today included, when
    ``left`` of today's share are left."""
    if chats <= 0:
        return 0
    later = max(0, chats - left)
    return 1 + ceil(later / CHATS_HANDED_OVER_A_DAY)
