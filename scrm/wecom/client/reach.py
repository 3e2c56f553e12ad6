"""Whether the platform's host answers at all, and what time it is there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from scrm.shared.signed_http import tls_context

TIMEOUT_SECONDS = 5.0
#: Needs no token and is told so: any answer will do.
KNOCK = "/cgi-bin/getcallbackip"


@dataclass(frozen=True, slots=True)
class Reached:
    """``skew`` is our clock minus theirs, in seconds; ``None`` where they do not tell the time."""

    milliseconds: int
    skew: float | None


def reach(base_url: str) -> Reached:
    """Knock once. Raises ``httpx.HTTPError`` or ``OSError`` when nobody answers."""
    began = time.monotonic()
    answer = httpx.get(
        base_url + KNOCK, timeout=TIMEOUT_SECONDS, verify=tls_context(), trust_env=False
    )
    took = time.monotonic() - began
    return Reached(int(took * 1000), _skew(answer.headers.get("Date", ""), took))


def _skew(told: str, took: float) -> float | None:
    try:
        theirs = parsedate_to_datetime(told)
    except ValueError:
        return None
    if theirs.tzinfo is None:
        return None
    return (datetime.now(UTC) - theirs).total_seconds() - took / 2
