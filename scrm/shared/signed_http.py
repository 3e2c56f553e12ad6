"""Calls to addresses that customers set up: signed, to public endpoints only, bounded in time.

A request is signed as the Standard Webhooks describe it (``webhook-id``, ``webhook-timestamp``,
``webhook-signature``); the key is also sent as ``Idempotency-Key``. Never called with a
transaction open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import socket
import ssl
import time
from functools import cache
from urllib.parse import SplitResult, urlsplit

import httpx
from django.conf import settings

from scrm.shared.addresses import is_loopback, is_public

MAX_URL = 2048
MAX_ANSWER_BYTES = 2_000_000
CONNECT_SECONDS = 3.0
DEFAULT_RETRY_AFTER = 5.0
RETRY_LATER = frozenset({408, 425, 500, 502, 503, 504})


class ChannelError(Exception):
    """``code`` is stable, short and shown to operators."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ChannelDown(ChannelError):
    """Nothing was handed over, and trying later may help."""


class RateLimited(ChannelError):
    """Nothing was handed over, because we are too fast."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("rate_limited")
        self.retry_after = retry_after


class Rejected(ChannelError):
    """The platform will never take this call."""


class OutcomeUnknown(ChannelError):
    """It may have been handed over, or not. Of a look-up: the platform cannot tell."""


def post_signed(
    url: str, document: dict[str, object], *, key: str, secret: str, timeout: float
) -> tuple[httpx.Response, bytes]:
    """Post a document under a key, and read the whole answer, whatever it says, in ``timeout``
    seconds. Raises a ``ChannelError`` when the endpoint is refused or does not answer."""
    deadline = time.monotonic() + timeout
    endpoint = urlsplit(url)
    address = reachable_address(endpoint)
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    request = httpx.Request(
        "POST",
        at_address(endpoint, address),
        content=body,
        headers={
            "Host": endpoint.netloc,
            "Content-Type": "application/json",
            "User-Agent": "scrm-webhook/1",
            "Idempotency-Key": key,
            **signature_headers(secret, key=key, at=int(time.time()), body=body),
        },
        extensions={"sni_hostname": endpoint.hostname},
    )
    return exchange(request, deadline=deadline)


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


def refusal(response: httpx.Response) -> ChannelError:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RateLimited(retry_after(response.headers.get("Retry-After", "")))
    if status in RETRY_LATER:
        return OutcomeUnknown(f"http_{status}")
    return Rejected("redirect_refused" if response.is_redirect else f"http_{status}")


def retry_after(value: str) -> float:
    return float(value[:9]) if value.isascii() and value.isdigit() else DEFAULT_RETRY_AFTER
