"""What the platform, or the way to it, may answer instead of a result."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What is known after a call that failed."""

    RETRYABLE = "retryable"  # nothing was done; later it may be
    PERMANENT = "permanent"  # nothing was done, and never will be
    UNKNOWN = "unknown"  # it may have been done: look before you repeat


class WecomRefusal(Exception):
    """``code`` is the platform's errcode, or 0 when there was none (no answer, not JSON, HTTP).

    ``kind`` is the class of the code (see ``codes.py``); ``retry_after`` are seconds, where the
    platform's rules tell them.
    """

    def __init__(
        self,
        api: str,
        *,
        code: int,
        kind: str,
        outcome: Outcome,
        message: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{api}: {code} {kind}")
        self.api, self.code, self.kind = api, code, kind
        self.outcome, self.message, self.retry_after = outcome, message, retry_after
