"""How many chats may be handed over from one person today: the platform's day, under a row lock."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import NamedTuple

from scrm.wecom.rules.limits import CHATS_HANDED_OVER_A_DAY


class QuotaLeft(NamedTuple):
    """Of one giver in one company, on one day of the platform."""

    used: int
    left: int
    is_exhausted: bool


UNUSED = QuotaLeft(0, CHATS_HANDED_OVER_A_DAY, is_exhausted=False)

type Giver = tuple[int, int]
"""The channel account and the member of staff."""


def quotas_left(enterprise_id: int, giver_ids: Collection[int]) -> dict[Giver, QuotaLeft]:
    """What each of them has used and may still hand over today, by (channel account, giver).
    Whoever is not named has used nothing."""
    raise NotImplementedError


def take_quota(account_id: int, giver_id: int, *, day: date, wanted: int) -> int:
    """Take up to ``wanted`` of the day's share, in the caller's transaction, which holds the row
    until its end; how many were granted."""
    raise NotImplementedError


def give_back_quota(account_id: int, giver_id: int, *, day: date, unused: int) -> None:
    """What the platform did not count."""
    raise NotImplementedError
