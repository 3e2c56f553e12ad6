"""What the platform, the way to it, or a look at the arguments may answer instead of a result."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What is known after a call that failed."""

    RETRYABLE = "retryable"  # nothing was done; later it may be
    PERMANENT = "permanent"  # nothing was done, and never will be
    UNKNOWN = "unknown"  # it may have been done: look before you repeat


class Kind(StrEnum):
    """The class of a refusal: what it calls for."""

    TRANSIENT = "transient"  # the platform or the network is out of breath: again, soon
    TOKEN = "token"  # noqa: S105 - the access token is not accepted
    RATE = "rate"  # too many calls, of ours or of the company's: again after ``retry_after``
    BUSY = "busy"  # something else has to end first: again in half a minute or more
    CONFIG = "config"  # the company, the app or its rights: an operator has to act
    STALE = "stale"  # what we know of the object is old: read it again
    RULE = "rule"  # a rule of the platform forbids it, as things stand
    CALLER = "caller"  # the call itself is wrong: a bug of ours
    UNKNOWN = "unknown"


class InvalidArguments(ValueError):
    """A call that the platform would refuse, so it was not made. ``field`` is the argument, and
    ``limit`` what it may be at most, where there is such a number."""

    def __init__(self, field: str, message: str, *, limit: int | None = None) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message, self.limit = field, message, limit


class WecomRefusal(Exception):
    """``code`` is the platform's errcode, or 0 when there was none (no answer, not JSON, HTTP).

    ``kind`` is the class of the code (see ``codes.py``); ``message`` is the platform's own word,
    in English and not stable; ``retry_after`` are seconds, where the platform's rules tell them.
    """

    def __init__(
        self,
        api: str,
        *,
        code: int,
        kind: Kind,
        outcome: Outcome,
        message: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{api}: {code} {kind}")
        self.api, self.code, self.kind = api, code, kind
        self.outcome, self.message, self.retry_after = outcome, message, retry_after
