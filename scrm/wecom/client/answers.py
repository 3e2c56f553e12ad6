"""From an answer, or none, to a result or a refusal."""

from __future__ import annotations

import json
from typing import Any

from scrm.wecom.client.apis import Api
from scrm.wecom.client.codes import BUSY_SECONDS, NO_ADDRESS, code_of
from scrm.wecom.client.errors import Kind, Outcome, WecomRefusal
from scrm.wecom.client.parsing import text
from scrm.wecom.client.wire import Answer, NoAnswer
from scrm.wecom.rules.limits import PARKED_SECONDS

TOO_MANY_REQUESTS = 429
WRONG_CALL = frozenset({404, 405, 413, 414})


def judged(api: Api, found: Answer | NoAnswer) -> dict[str, Any]:
    """The document of a call that went well. Raises ``WecomRefusal``.

    The errcode is looked at first: a failure carries the fields of a success as well, empty.
    """
    if isinstance(found, NoAnswer):
        if found.reason == NO_ADDRESS:
            raise WecomRefusal(
                api.name,
                code=0,
                kind=Kind.CONFIG,
                outcome=Outcome.PERMANENT,
                message=NO_ADDRESS,
            )
        raise lost(api, found.reason, sent=found.sent)
    if found.status != 200:
        raise _http_refusal(api, found.status)
    try:
        document = json.loads(found.body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise lost(api, "not_json")
    try:
        code = int(document.get("errcode") or 0)
    except (TypeError, ValueError, OverflowError):
        raise lost(api, "bad_errcode") from None
    if code:
        raise _refusal(api, code, text(document.get("errmsg")))
    return document


def lost(api: Api, reason: str, *, sent: bool = True) -> WecomRefusal:
    """No answer that tells what happened."""
    known = api.repeatable or not sent
    return WecomRefusal(
        api.name,
        code=0,
        kind=Kind.TRANSIENT,
        outcome=Outcome.RETRYABLE if known else Outcome.UNKNOWN,
        message=reason,
    )


def _refusal(api: Api, number: int, message: str) -> WecomRefusal:
    known = code_of(number)
    if known is None:
        outcome = Outcome.PERMANENT if api.repeatable else Outcome.UNKNOWN
        return WecomRefusal(
            api.name, code=number, kind=Kind.UNKNOWN, outcome=outcome, message=message
        )
    return WecomRefusal(
        api.name,
        code=number,
        kind=known.kind,
        outcome=known.outcome,
        message=message,
        retry_after=BUSY_SECONDS if known.kind is Kind.BUSY else None,
    )


def _http_refusal(api: Api, status: int) -> WecomRefusal:
    """The platform answers 200 to everything that reaches it; anything else is something between
    us and it, or an address that does not exist."""
    reason = f"http_{status}"
    if status >= 500:
        return lost(api, reason)
    if status == TOO_MANY_REQUESTS:
        return WecomRefusal(
            api.name,
            code=0,
            kind=Kind.RATE,
            outcome=Outcome.RETRYABLE,
            message=reason,
            retry_after=PARKED_SECONDS,
        )
    kind = Kind.CALLER if status in WRONG_CALL else Kind.CONFIG
    return WecomRefusal(api.name, code=0, kind=kind, outcome=Outcome.PERMANENT, message=reason)
