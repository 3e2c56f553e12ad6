"""Our signed HTTP: one POST carries a batch, and its answer says what became of each recipient.

The request is signed (``scrm.shared.signed_http``). A receiver answers 200 with
``{"results": [{"recipient": "…", "status": "delivered"}, {"recipient": "…", "status": "failed",
"code": "blocked"}]}`` and gives the same answer when the same key comes again.
"""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from campaigns.channels.protocol import (
    Channel,
    Envelope,
    Outcome,
    OutcomeStatus,
    OutcomeUnknown,
    Receipt,
)
from scrm.shared.signed_http import post_signed, refusal

CODE = re.compile(r"[a-z0-9_.-]{1,60}", re.ASCII)


class WebhookChannel(Channel):
    can_send = True
    honours_key = True
    batch_limit = 200
    call_timeout = 10.0

    def send(self, envelope: Envelope) -> Receipt:
        answer = post_signed(
            envelope.account.endpoint,
            as_json(envelope),
            key=envelope.key,
            secret=envelope.account.secret,
            timeout=self.call_timeout,
        )
        return Receipt(outcomes_of(*answer))

    def look_up(self, envelope: Envelope) -> Receipt | None:
        raise OutcomeUnknown("cannot_look_up")


def as_json(envelope: Envelope) -> dict[str, object]:
    return {
        "type": "messages.send",
        "key": envelope.key,
        "recipient_kind": envelope.recipient_kind,
        "messages": [
            {"recipient": message.recipient_ref, "body": message.body}
            for message in envelope.messages
        ],
    }


def outcomes_of(response: httpx.Response, answer: bytes) -> tuple[Outcome, ...]:
    if not response.is_success:
        raise refusal(response)
    try:
        return read_results(json.loads(answer))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise OutcomeUnknown("bad_answer") from None


def read_results(document: Any) -> tuple[Outcome, ...]:  # what a stranger's JSON may hold
    outcomes = []
    for result in document["results"]:
        recipient, status = result["recipient"], OutcomeStatus(result["status"])
        if not isinstance(recipient, str) or status is OutcomeStatus.AWAITING:
            raise TypeError  # nobody confirms anything behind a webhook
        code = str(result.get("code") or "")
        if status is OutcomeStatus.FAILED and not CODE.fullmatch(code):
            code = "failed"
        outcomes.append(Outcome(recipient, status, code))
    return tuple(outcomes)
