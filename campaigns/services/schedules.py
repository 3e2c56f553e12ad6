"""Giving a broadcast a schedule, while it is a draft, and ending one before its time."""

from __future__ import annotations

from datetime import date, time
from typing import TypedDict, Unpack

from campaigns.models import Broadcast, Schedule
from communities.models import Tier
from scrm.accounts.models import User


class ScheduleRule(TypedDict, total=False):
    """What can be written about a schedule."""

    kind: str
    time_zone: str
    local_time: time
    rrule: str
    festivals: list[str]
    day_offset: int
    member_day: int | None
    day_rule: str
    tier: Tier | None
    silent_days: int | None
    starts_on: date | None
    ends_on: date | None
    max_count: int | None


def set_schedule(broadcast_id: int, *, actor: User, **rule: Unpack[ScheduleRule]) -> Schedule:
    """Of a draft: written anew, or changed where there is one already."""
    raise NotImplementedError


def clear_schedule(broadcast_id: int, *, actor: User) -> Broadcast:
    """The draft runs once, at the time given when it is scheduled."""
    raise NotImplementedError


def end_schedule(broadcast_id: int, *, actor: User) -> Broadcast:
    """Of one that is scheduled or runs: nothing more begins; what has begun goes on."""
    raise NotImplementedError
