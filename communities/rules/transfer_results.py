"""What the platform says of customers whose hand-over has begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from communities.rules.transfer_verdicts import (
    MOST_ATTEMPTS,
    NO_RECORD_AFTER,
    SETTLED_AFTER,
    Verdict,
)
from communities.rules.transfers import ItemState

DONE, WAITING, REFUSED, FULL = 1, 2, 3, 4
#: An older hand-over between the same two is not ours; clocks may differ by so much.
SAME_TIME = timedelta(seconds=60)
ASKED_AGAIN, ASKED_LATE, SOONEST_ASKED = 3600.0, 600.0, 20.0


@dataclass(frozen=True, slots=True)
class Handed:
    """A customer's item whose result is asked for."""

    state: str
    attempt_count: int
    code: int | None
    sent_at: datetime
    accepted_at: datetime | None
    takeover_at: datetime | None


@dataclass(frozen=True, slots=True)
class Result:
    status: int
    takeover_at: datetime | None = None


def verdict_on_result(handed: Handed, result: Result | None, *, now: datetime) -> Verdict:
    """``result`` is None where the platform lists none. ``now``: when it was asked, by its time."""
    known = result is not None and _is_ours(handed, result)
    status = result.status if result is not None and known else 0
    at = result.takeover_at if result is not None and known else None
    if status == DONE:
        return Verdict(ItemState.VERIFIED, takeover_at=at, verified_at=now)
    if status == REFUSED:
        return Verdict(ItemState.REFUSED, "customer_refused")
    if status == FULL:
        return Verdict(ItemState.FAILED, "receiver_is_full")
    if status == WAITING:
        takeover_at = at or handed.takeover_at
        return Verdict(
            ItemState.ACCEPTED,
            wait=seconds_until_asked(takeover_at, now=now),
            accepted_at=handed.accepted_at or now,
            takeover_at=takeover_at,
        )
    return _without_result(handed, now=now)


def _is_ours(handed: Handed, result: Result) -> bool:
    return result.takeover_at is None or result.takeover_at > handed.sent_at - SAME_TIME


def _without_result(handed: Handed, *, now: datetime) -> Verdict:
    if handed.state == ItemState.ACCEPTED:
        assert handed.accepted_at is not None
        if now > handed.accepted_at + NO_RECORD_AFTER:
            return Verdict(ItemState.FAILED, "no_record")
        wait = seconds_until_asked(handed.takeover_at, now=now)
        return Verdict(ItemState.ACCEPTED, wait=wait)
    settled = handed.sent_at + SETTLED_AFTER
    if now <= settled:
        wait = (settled - now).total_seconds() + 1
        return Verdict(ItemState.UNKNOWN, "looking_up", wait=wait)
    if handed.code is not None:
        return Verdict(ItemState.FAILED, "platform_refused")
    if handed.attempt_count >= MOST_ATTEMPTS:
        return Verdict(ItemState.FAILED, "no_answer")
    return Verdict(ItemState.QUEUED, "sent_again", wait=0)


def seconds_until_asked(takeover_at: datetime | None, *, now: datetime) -> float:
    """Hourly, and once more when the customer's time to answer is over."""
    if takeover_at is None:
        return ASKED_AGAIN
    left = (takeover_at - now).total_seconds() + 5
    return ASKED_LATE if left <= 0 else min(ASKED_AGAIN, max(SOONEST_ASKED, left))


def settled_by_event(reason: str) -> Verdict | None:
    """What a callback about a hand-over that failed says."""
    return _EVENTS.get(reason)


_EVENTS: Mapping[str, Verdict] = {
    "customer_refused": Verdict(ItemState.REFUSED, "customer_refused"),
    "customer_limit_exceed": Verdict(ItemState.FAILED, "receiver_is_full"),
}
