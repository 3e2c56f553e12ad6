"""What every way to an outside platform looks like from here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from scrm.shared.signed_http import (
    ChannelDown,
    ChannelError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from scrm.wecom.models import ChannelAccount

__all__ = [
    "Channel",
    "ChannelDown",
    "ChannelError",
    "Envelope",
    "Message",
    "Outcome",
    "OutcomeStatus",
    "OutcomeUnknown",
    "RateLimited",
    "Rejected",
]


@dataclass(frozen=True, slots=True)
class Message:
    recipient_ref: str
    body: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """One call. The key comes from our row and is the same however often the call is repeated."""

    key: str
    account: ChannelAccount
    recipient_kind: str
    messages: tuple[Message, ...]


class OutcomeStatus(StrEnum):
    DELIVERED = "delivered"
    AWAITING = "awaiting"  # somebody on the platform still has to confirm
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the platform says became of one recipient. ``code`` is stable and explains a failure."""

    recipient_ref: str
    status: OutcomeStatus
    code: str = ""


class Channel(Protocol):
    """Declares what it can do and carries calls. Never called with a transaction open.

    ``can_send``: what is handed over reaches people without somebody's doing on the platform. What
    is to go through a channel that cannot is refused or skipped before; it is never called.
    ``honours_key``: the same key again is answered with what happened the first time, and has no
    second effect. Without it, a call of unknown outcome is looked up before it is repeated.
    """

    can_send: bool
    honours_key: bool
    batch_limit: int
    call_timeout: float  # seconds after which a call has ended for us, one way or the other

    def send(self, envelope: Envelope) -> tuple[Outcome, ...]:
        """The outcome of each recipient, including all that were taken under this key before."""
        ...

    def look_up(self, envelope: Envelope) -> tuple[Outcome, ...] | None:
        """What became of an earlier call with this key; None when it never arrived."""
        ...
