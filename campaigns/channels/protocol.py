"""What every way to an outside platform looks like from here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

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
    "Receipt",
    "Rejected",
]


@dataclass(frozen=True, slots=True)
class Message:
    recipient_ref: str
    body: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """One call. The key comes from our row and is the same however often the call is repeated.

    ``sender``: on whose behalf it goes out, as the platform calls them; only with ``one_sender``.
    ``attachments``: as ``campaigns.rules.attachments`` describes them; the channel puts them into
    the platform's form. ``attempted_at``: when this key was first handed over, by the clock of
    the database; None at the first call.
    """

    key: str
    account: ChannelAccount
    recipient_kind: str
    messages: tuple[Message, ...]
    sender: str = ""
    attachments: tuple[dict[str, Any], ...] = ()
    attempted_at: datetime | None = None


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


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a call led to. ``remote_id``: the platform's own name for what it took, to ask later;
    ``accepted_at``: when it took it, by its own clock, where it goes by one."""

    outcomes: tuple[Outcome, ...]
    remote_id: str = ""
    accepted_at: datetime | None = None


class Channel(Protocol):
    """Declares what it can do and carries calls. Never called with a transaction open.

    ``can_send``: broadcasts can go through it.
    ``confirms``: what it takes reaches nobody before a colleague confirms it on the platform; its
    outcomes are AWAITING, and what became of them is asked later.
    ``honours_key``: the same key again is answered with what happened the first time, and has no
    second effect. Without it, a call of unknown outcome is looked up before it is repeated, and of
    the same run and sender no other call is made meanwhile.
    ``one_sender``: a call goes out on behalf of one colleague (``campaigns.selectors.senders``).
    ``one_text``: all recipients of a call get the same text.
    ``carries_attachments``: files, links and mini-programs can go with the text.
    """

    can_send: bool
    honours_key: bool
    batch_limit: int
    call_timeout: float  # seconds after which a call has ended for us, one way or the other
    confirms: bool = False
    one_sender: bool = False
    one_text: bool = False
    carries_attachments: bool = False

    def batch_limit_of(self, recipient_kind: str) -> int:
        """How many recipients of a kind fit into one call."""
        return self.batch_limit

    def send(self, envelope: Envelope) -> Receipt:
        """The outcome of each recipient, including all that were taken under this key before."""
        ...

    def look_up(self, envelope: Envelope) -> Receipt | None:
        """What became of an earlier call with this key; None when it never arrived.

        Raises OutcomeUnknown while the platform cannot tell.
        """
        ...
