"""What becomes of an item after the platform answered, or did not, or was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from communities.rules.transfers import ItemState, Route, Subject
from scrm.wecom.rules.limits import CUSTOMER_ANSWER_HOURS

#: The platform has it already, or is at it: not a failure; reading tells who owns it in the end.
DONE_ALREADY = frozenset({90504, 90507, 90508})
#: Somebody hands this customer over at the moment.
CUSTOMER_IS_BUSY = frozenset({40100, 40129})
#: The owner has left or has not: the other way is the right one.
OTHER_ROUTE = {90502: Route.RESIGNED, 90500: Route.ON_JOB, 40097: Route.ON_JOB}
#: There is no such customer group, or not any more: the chat is read before we believe it.
MAY_BE_GONE = frozenset({40050, 49008, 90501})
#: The giver and the customer are no contacts any more.
CUSTOMER_IS_GONE = frozenset({40131, 84061})
OUT_OF_BREATH = frozenset({-1, 6000, 45033, 45035})
TOO_MANY_TODAY = 45009
TOO_OFTEN = 40128
SAME_PERSON = 40130
RECEIVER_FULL = 40099
#: The giver is not in the directory: they have left, or we may not see them.
NO_SUCH_GIVER = 40003

#: An item is sent at most so often; what the platform did not take for want of time does not count.
MOST_ATTEMPTS = 8
#: From this attempt on it is sent alone: whatever goes wrong with it hurts only itself.
ALONE_AFTER = 4
BREATH, LONG_BUSY = 10.0, 3600.0  # seconds until it is tried again


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wait``: after how many seconds of ours the item is looked at again. ``counts``: whether
    this was one of its attempts. Empty instants leave what is known."""

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


@dataclass(frozen=True, slots=True)
class Sent:
    """An item as it was sent. ``reason`` is what it waited for before."""

    subject: str
    route: str
    sent_at: datetime
    attempt_count: int
    reason: str = ""

    @property
    def may_be_done(self) -> bool:
        """An attempt before this one may have reached the platform after all."""
        return self.reason == "sent_again"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the platform said about one item. ``is_known``: a table lists the code; ``says``: it
    said anything at all."""

    accepted: bool
    code: int
    message: str = ""
    is_known: bool = True

    @property
    def says(self) -> bool:
        return self.accepted or self.code != 0


def verdict_on_answer(sent: Sent, answer: Answer, *, now: datetime) -> Verdict:
    """After an answer that told something about every item. ``now`` is the platform's time."""
    if not answer.says:
        return looking_up()
    if answer.code in OTHER_ROUTE:
        return _other_route(sent, answer)
    if answer.code in OUT_OF_BREATH:
        return _again(sent, "busy", answer, wait=BREATH)
    if sent.subject == Subject.CHAT:
        return _on_chat(sent, answer, now=now)
    return _on_customer(sent, answer, now=now)


def looking_up(answer: Answer | None = None) -> Verdict:
    """Nobody knows whether it was done: look before anything is repeated."""
    return Verdict(
        ItemState.UNKNOWN,
        "looking_up",
        code=answer.code or None if answer else None,
        message=answer.message if answer else "",
        wait=0,
    )


def failed(answer: Answer, reason: str = "platform_refused") -> Verdict:
    return Verdict(ItemState.FAILED, reason, code=answer.code or None, message=answer.message)


def accepted(answer: Answer, *, now: datetime, takeover_at: datetime | None = None) -> Verdict:
    return Verdict(
        ItemState.ACCEPTED,
        code=answer.code or None,
        message=answer.message,
        wait=0,
        accepted_at=now,
        takeover_at=takeover_at,
    )


def _on_chat(sent: Sent, answer: Answer, *, now: datetime) -> Verdict:
    if answer.accepted or answer.code in DONE_ALREADY:
        return accepted(answer, now=now)
    if answer.code == TOO_MANY_TODAY:
        return replace(_again(sent, "quota_used", answer), day_is_spent=True)
    if answer.code in MAY_BE_GONE or not answer.is_known:
        return looking_up(answer)
    if answer.code == TOO_OFTEN:
        return failed(answer, "handed_over_too_often")
    return failed(answer)


def _on_customer(sent: Sent, answer: Answer, *, now: datetime) -> Verdict:
    if answer.accepted or (answer.code in CUSTOMER_IS_BUSY and sent.may_be_done):
        takeover_at = now + timedelta(hours=CUSTOMER_ANSWER_HOURS)
        return accepted(answer, now=now, takeover_at=takeover_at)
    if answer.code in CUSTOMER_IS_BUSY:
        return _again(sent, "busy", answer, wait=LONG_BUSY)
    if answer.code in CUSTOMER_IS_GONE:
        reason = "customer_is_gone"
        return Verdict(ItemState.GONE, reason, code=answer.code, message=answer.message)
    if not answer.is_known:
        return looking_up(answer)
    reasons = {
        TOO_OFTEN: "handed_over_too_often",
        SAME_PERSON: "receiver_is_owner",
        RECEIVER_FULL: "receiver_is_full",
    }
    return failed(answer, reasons.get(answer.code, "platform_refused"))


def _other_route(sent: Sent, answer: Answer) -> Verdict:
    route = OTHER_ROUTE[answer.code]
    if route == sent.route or sent.reason == "route_changed":
        return failed(answer)
    return _again(sent, "route_changed", answer, counts=True, route=route)


def _again(
    sent: Sent,
    reason: str,
    answer: Answer,
    *,
    wait: float = 0,
    counts: bool = False,
    route: str = "",
) -> Verdict:
    """Queued, and still known as perhaps done where an earlier attempt was lost."""
    return Verdict(
        ItemState.QUEUED,
        sent.reason if sent.may_be_done and not route else reason,
        code=answer.code or None,
        message=answer.message,
        wait=wait,
        counts=counts,
        route=route,
    )


# --- A call that was refused as a whole -----------------------------------------------------------

#: About the receiver, so about every item of the call.
RECEIVER_FAULTS = frozenset({40098, 40099, 40143, 40205, 41054, 46004, 84074, 60111})
#: The receiver or the giver is out of the app's sight, or has no right.
OUT_OF_SIGHT = frozenset({50002, 60011, 60021, 60030, 92000, 701008})


def verdict_on_refused_call(sent: Sent, answer: Answer, *, alone: bool) -> Verdict:
    """After a refusal that will not pass, when nothing was done. ``alone``: it was the only item
    of the call, so the refusal is its own."""
    if sent.subject == Subject.CUSTOMER and answer.code == NO_SUCH_GIVER:
        if sent.route == Route.ON_JOB and sent.reason != "route_changed":
            return _again(sent, "route_changed", answer, counts=True, route=Route.RESIGNED)
        return failed(answer)
    if answer.code in OTHER_ROUTE:
        return _other_route(sent, answer)
    if answer.code == RECEIVER_FULL:
        return failed(answer, "receiver_is_full")
    if answer.code in RECEIVER_FAULTS | OUT_OF_SIGHT or alone:
        return failed(answer)
    return _again(sent, "one_by_one", answer, counts=True)


def refused_for_now(sent: Sent, answer: Answer, *, wait: float) -> Verdict:
    """The platform has no time, or not for us: nothing was done, and nothing is given up."""
    return _again(sent, "busy", answer, wait=wait)


# --- What readings of chats say -------------------------------------------------------------------

#: A call that we lost sight of has reached the platform, and shows, after so long.
SETTLED_AFTER = timedelta(seconds=10)
#: Another owner so long after the platform took it is nobody whom a slow reading shows.
OTHER_AFTER = timedelta(seconds=60)
OLD_OWNER_AFTER = timedelta(hours=24)
NO_RECORD_AFTER = timedelta(hours=72)
SOONEST, LATEST = 4.0, 1800.0  # seconds between two looks
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
        if now > seen.sent_at + NO_RECORD_AFTER:
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
    return Look(None, wait=_growing(age), read_in=0.0)


def _last_look(seen: Seen, otherwise: Verdict) -> Look:
    """Nobody could read it for very long, or nobody tried: once more, before it is given up."""
    if seen.reason == "last_look":
        return Look(otherwise)
    state = ItemState(seen.state)
    return Look(Verdict(state, "last_look", wait=LAST_LOOK), read_in=0.0)


def _growing(age: timedelta) -> float:
    """A quarter of the age, within bounds."""
    return min(max(age.total_seconds() / 4, SOONEST), LATEST)


# --- What the platform says of customers ----------------------------------------------------------

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
