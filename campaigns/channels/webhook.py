"""Our signed HTTP: one POST carries a batch, and its answer says what became of each recipient.

The request is signed as the Standard Webhooks describe it (``webhook-id``, ``webhook-timestamp``,
``webhook-signature``); the key is also sent as ``Idempotency-Key``. A receiver answers 200 with
``{"results": [{"recipient": "…", "status": "delivered"}, {"recipient": "…", "status": "failed",
"code": "blocked"}]}`` and gives the same answer when the same key comes again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import socket
import ssl
import time
from functools import cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
from django.conf import settings

from campaigns.channels.protocol import (
    ChannelDown,
    ChannelError,
    Envelope,
    Outcome,
    OutcomeStatus,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from campaigns.rules.addresses import is_loopback, is_public

MAX_URL = 2048
MAX_ANSWER_BYTES = 2_000_000
CONNECT_SECONDS = 3.0
DEFAULT_RETRY_AFTER = 5.0
CODE = re.compile(r"[a-z0-9_.-]{1,60}", re.ASCII)
RETRY_LATER = frozenset({408, 425, 500, 502, 503, 504})


class WebhookChannel:
    honours_key = True
    batch_limit = 200
    call_timeout = 10.0

    def send(self, envelope: Envelope) -> tuple[Outcome, ...]:
        deadline = time.monotonic() + self.call_timeout
        endpoint = urlsplit(envelope.account.endpoint)
        address = reachable_address(endpoint)
        body = json.dumps(as_json(envelope), ensure_ascii=False, separators=(",", ":")).encode()
        request = httpx.Request(
            "POST",
            at_address(endpoint, address),
            content=body,
            headers={
                "Host": endpoint.netloc,
                "Content-Type": "application/json",
                "User-Agent": "scrm-webhook/1",
                "Idempotency-Key": envelope.key,
                **signature_headers(
                    envelope.account.secret, key=envelope.key, at=int(time.time()), body=body
                ),
            },
            extensions={"sni_hostname": endpoint.hostname},
        )
        return outcomes_of(*exchange(request, deadline=deadline))

    def look_up(self, envelope: Envelope) -> tuple[Outcome, ...] | None:
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


def signature_headers(secret: str, *, key: str, at: int, body: bytes) -> dict[str, str]:
    signed = b"%s.%d.%s" % (key.encode(), at, body)
    digest = hmac.new(signing_key(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": key,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def signing_key(secret: str) -> bytes:
    """``whsec_…`` holds the key as base64; anything else is taken as it stands."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


# --- Where a call may go ------------------------------------------------------------------------


def reachable_address(endpoint: SplitResult) -> str:
    """The address to connect to. Every address the name resolves to must be allowed."""
    try:
        host, port = endpoint.hostname, endpoint.port
    except ValueError:
        raise Rejected("endpoint_refused") from None
    if not host or len(endpoint.geturl()) > MAX_URL or endpoint.username is not None:
        raise Rejected("endpoint_refused")
    addresses = resolve(host, port or 443)
    if settings.CHANNEL_LOOPBACK_ALLOWED and all(map(is_loopback, addresses)):
        if endpoint.scheme in {"http", "https"}:
            return addresses[0]
    elif endpoint.scheme == "https" and port in {None, 443} and all(map(is_public, addresses)):
        return addresses[0]
    raise Rejected("endpoint_refused")


def resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ChannelDown("endpoint_not_found") from None
    return [str(entry[4][0]) for entry in found]


def at_address(endpoint: SplitResult, address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    netloc = host if endpoint.port is None else f"{host}:{endpoint.port}"
    return endpoint._replace(netloc=netloc, fragment="").geturl()


# --- The call -----------------------------------------------------------------------------------


@cache
def tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def exchange(request: httpx.Request, *, deadline: float) -> tuple[httpx.Response, bytes]:
    left = max(0.1, deadline - time.monotonic())
    timeout = httpx.Timeout(left, connect=min(left, CONNECT_SECONDS))
    request.extensions["timeout"] = timeout.as_dict()
    try:
        with httpx.HTTPTransport(verify=tls_context()) as transport:
            response = transport.handle_request(request)
            response.request = request
            try:
                return response, read_answer(response, deadline=deadline)
            finally:
                response.close()
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol):
        raise ChannelDown("endpoint_unreachable") from None
    except httpx.HTTPError:
        raise OutcomeUnknown("no_answer") from None


def read_answer(response: httpx.Response, *, deadline: float) -> bytes:
    answer = bytearray()
    for chunk in response.iter_raw():
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
            raise OutcomeUnknown("bad_answer")
    return bytes(answer)


def outcomes_of(response: httpx.Response, answer: bytes) -> tuple[Outcome, ...]:
    if not response.is_success:
        raise refusal(response)
    try:
        return read_results(json.loads(answer))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise OutcomeUnknown("bad_answer") from None


def refusal(response: httpx.Response) -> ChannelError:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RateLimited(retry_after(response.headers.get("Retry-After", "")))
    if status in RETRY_LATER:
        return OutcomeUnknown(f"http_{status}")
    return Rejected("redirect_refused" if response.is_redirect else f"http_{status}")


def retry_after(value: str) -> float:
    return float(value[:9]) if value.isascii() and value.isdigit() else DEFAULT_RETRY_AFTER


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
