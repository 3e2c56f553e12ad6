"""One conversation with a channel, and the few ways it can end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from campaigns.channels.protocol import (
    Channel,
    ChannelDown,
    Envelope,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    Receipt,
    Rejected,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """The platform said what became of the recipients, and perhaps what it calls the whole."""

    outcomes: tuple[Outcome, ...]
    remote_id: str = ""
    accepted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The platform will never take it."""

    code: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """Nothing was handed over; later it may be. ``retry_after`` is the platform's own wish."""

    code: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been handed over, or not."""

    code: str


@dataclass(frozen=True, slots=True)
class NeverArrived:
    """The platform knows nothing of it."""


type Verdict = Answered | Refused | NotNow | Unknown
type Word = Answered | NeverArrived | NotNow | Unknown


def hand_over(channel: Channel, envelope: Envelope, *, ask_first: bool) -> Verdict:
    """Send. With ``ask_first`` an earlier call may have arrived: then look it up before."""
    if ask_first:
        word = ask(channel, envelope)
        if not isinstance(word, NeverArrived):
            return word
    try:
        return _answered(channel.send(envelope))
    except RateLimited as error:
        return NotNow(error.code, error.retry_after)
    except ChannelDown as error:
        return NotNow(error.code)
    except Rejected as error:
        return Refused(error.code)
    except OutcomeUnknown as error:
        return Unknown(error.code)
    except Exception:  # a channel's own mistake must not stop the others, nor pass for a result
        logger.exception("A channel broke.", extra={"key": envelope.key})
        return Unknown("channel_broke")


def ask(channel: Channel, envelope: Envelope) -> Word:
    """What became of an earlier call with this key."""
    try:
        receipt = channel.look_up(envelope)
    except RateLimited as error:
        return NotNow(error.code, error.retry_after)
    except (ChannelDown, Rejected) as error:
        return NotNow(error.code)
    except OutcomeUnknown as error:
        return Unknown(error.code)
    except Exception:
        logger.exception("A channel broke at a look-up.", extra={"key": envelope.key})
        return NotNow("channel_broke")
    return NeverArrived() if receipt is None else _answered(receipt)


def _answered(receipt: Receipt) -> Answered:
    return Answered(receipt.outcomes, receipt.remote_id, receipt.accepted_at)
