"""What a reading of a chat means for the item that hands it over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from communities.rules.transfer_verdicts import (
    MOST_ATTEMPTS,
    NO_RECORD_AFTER,
    SETTLED_AFTER,
    Verdict,
)
from communities.rules.transfers import ItemState

#: Another owner so long after the platform took it is nobody whom a slow reading shows.
OTHER_AFTER = timedelta(seconds=60)
OLD_OWNER_AFTER = timedelta(hours=24)
#: Something that may be no customer group at all, and that nobody can read.
UNSEEN_AFTER = timedelta(hours=1)
SOONEST, LATEST = 4.0, 1800.0  # seconds between two looks
READ_WITHIN = 20.0  # seconds; after that a reading that was asked for is there, or asked for again
LAST_LOOK = 300.0


@dataclass(frozen=True, slots=True)
class Seen:
    """An item about a chat and what was last read of the chat. ``owner``: receiver, giver, other,
    or empty where nobody is known. ``reason`` is what the item waits for."""

    state: str
    reason: str
    attempt_count: int
    code: int | None
    sent_at: datetime
    accepted_at: datetime | None
    owner: str
    read_at: datetime | None
    is_dissolved: bool


@dataclass(frozen=True, slots=True)
class Look:
    """``verdict`` is None while nothing is known: the item is looked at again after ``wait``. The
    chat is read after ``read_in`` seconds, where that is not None."""

    verdict: Verdict | None
    wait: float = SOONEST
    read_in: float | None = None


def look_at_chat(seen: Seen, *, now: datetime) -> Look:
    """``now`` is the platform's time."""
    if seen.is_dissolved:
        return Look(Verdict(ItemState.GONE, "chat_is_gone"))
    began = seen.accepted_at or seen.sent_at
    if seen.owner == "receiver" and seen.read_at is not None and seen.read_at > began:
        return Look(Verdict(ItemState.VERIFIED, verified_at=seen.read_at))
    if seen.state == ItemState.UNKNOWN:
        return _look_up(seen, now=now)
    return _verify(seen, now=now)


def _look_up(seen: Seen, *, now: datetime) -> Look:
    settled = seen.sent_at + SETTLED_AFTER
    if seen.read_at is None or seen.read_at <= settled:
        if now > seen.sent_at + (NO_RECORD_AFTER if seen.code is None else UNSEEN_AFTER):
            return _last_look(seen, _given_up(seen))
        read_in = max(0.0, (settled - now).total_seconds() + 1)
        return Look(None, wait=read_in + _growing(now - settled), read_in=read_in)
    if seen.code is not None or seen.attempt_count >= MOST_ATTEMPTS:
        return Look(_given_up(seen))
    return Look(Verdict(ItemState.QUEUED, "sent_again", wait=0))


def _given_up(seen: Seen) -> Verdict:
    reason = "no_answer" if seen.code is None else "platform_refused"
    return Verdict(ItemState.FAILED, reason)


def _verify(seen: Seen, *, now: datetime) -> Look:
    assert seen.accepted_at is not None
    age = now - seen.accepted_at
    read_after = seen.read_at - seen.accepted_at if seen.read_at is not None else timedelta(0)
    if seen.owner == "other" and read_after > OTHER_AFTER:
        return Look(Verdict(ItemState.FAILED, "taken_by_other"))
    if read_after > OLD_OWNER_AFTER:
        return Look(Verdict(ItemState.FAILED, "shows_old_owner"))
    if age > NO_RECORD_AFTER:
        return _last_look(seen, Verdict(ItemState.FAILED, "no_record"))
    if read_after > age / 2:
        return Look(None, wait=_growing(age * 4))
    return Look(None, wait=min(_growing(age), READ_WITHIN), read_in=0.0)


def _last_look(seen: Seen, otherwise: Verdict) -> Look:
    """Nobody could read it for very long, or nobody tried: once more, before it is given up."""
    if seen.reason == "last_look":
        return Look(otherwise)
    state = ItemState(seen.state)
    return Look(Verdict(state, "last_look", wait=LAST_LOOK), read_in=0.0)


def _growing(age: timedelta) -> float:
    """A quarter of the age, within bounds."""
    return min(max(age.total_seconds() / 4, SOONEST), LATEST)
