"""What an answer of the platform to a hand-over means, item by item and code by code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from communities.rules.transfer_verdicts import Verdict
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

BREATH, LONG_BUSY = 10.0, 3600.0  # seconds until it is tried again


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
