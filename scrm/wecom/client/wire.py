"""Bytes to the platform and back. Nothing here prints an address: it holds the access token."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

import httpx
from django.conf import settings

from scrm.shared.signed_http import tls_context
from scrm.wecom.client.codes import NO_ADDRESS
from scrm.wecom.rules.status import Platform

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
WRITE_SECONDS = 60.0  # a file of 20 MB
ANSWER_SECONDS = 20.0  # for the whole of an answer
MAX_ANSWER_BYTES = 32_000_000

_TIMEOUTS = httpx.Timeout(
    connect=CONNECT_SECONDS, read=READ_SECONDS, write=WRITE_SECONDS, pool=READ_SECONDS
).as_dict()
_SECRETS = re.compile(r"(?i)(access_token|corpsecret|secret)(=|\"?: ?\"?)[^&\s\"',;]+")


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """``reason`` is a short word. ``sent``: the platform may have got the call."""

    reason: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """``date`` is the header of that name: when it was where the answer comes from."""

    status: int
    body: bytes
    date: str = ""


@cache
def _pool(process_id: int, *, keeps_connections: bool) -> httpx.HTTPTransport:
    """Of this process, for all companies. Redirects are never followed."""
    return httpx.HTTPTransport(
        verify=tls_context(),
        limits=httpx.Limits(
            max_connections=50,
            max_keepalive_connections=20 if keeps_connections else 0,
            keepalive_expiry=20,
        ),
    )


class Wire:
    """The way to one platform. ``transport`` replaces the network."""

    def __init__(self, platform: str, transport: httpx.BaseTransport | None) -> None:
        self._base = base_url(platform, in_process=transport is not None)
        self._transport = transport

    def exchange(
        self,
        name: str,
        params: dict[str, str],
        *,
        method: str,
        body: dict[str, Any] | None,
        file: tuple[str, bytes] | None,
        repeatable: bool,
    ) -> Answer | NoAnswer:
        """A call that must not be made twice gets a connection of its own: one that the platform
        closed while it was idle would leave us not knowing."""
        if not self._base:
            return NoAnswer(NO_ADDRESS, sent=False)
        transport = self._transport or _pool(os.getpid(), keeps_connections=repeatable)
        try:
            request = _request(f"{self._base}/cgi-bin/{name}", params, method, body, file)
            response = transport.handle_request(request)
            try:
                return _whole(response)
            finally:
                response.close()
        except httpx.InvalidURL:
            return NoAnswer(NO_ADDRESS, sent=False)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.UnsupportedProtocol,
        ):
            return NoAnswer("unreachable", sent=False)
        except httpx.TimeoutException:
            return NoAnswer("timeout", sent=True)
        except httpx.HTTPError:
            return NoAnswer("cut_off", sent=True)


def base_url(platform: str, *, in_process: bool = False) -> str:
    """Without a slash at its end; empty when there is no such platform here."""
    if platform == Platform.OFFICIAL:
        address: str = settings.WECOM_API_URL
        return address if address.startswith("https://") else ""
    found: str = settings.WECOM_SIMULATOR_URL
    return found or ("http://simulator.invalid" if in_process else "")


def _request(
    url: str,
    params: dict[str, str],
    method: str,
    body: dict[str, Any] | None,
    file: tuple[str, bytes] | None,
) -> httpx.Request:
    address = f"{url}?{urlencode(params)}" if params else url
    headers = {"User-Agent": "scrm/1", "Accept": "application/json"}
    extensions = {"timeout": _TIMEOUTS}
    if file is not None:
        name, octets = file
        return httpx.Request(
            method,
            address,
            files={"media": (plain_name(name), octets)},
            headers=headers,
            extensions=extensions,
        )
    content: bytes | None = None
    if method == "POST":
        headers["Content-Type"] = "application/json"
        content = json.dumps(body or {}, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
    return httpx.Request(method, address, content=content, headers=headers, extensions=extensions)


def plain_name(filename: str) -> str:
    """Without folders and control characters: it goes into a header."""
    name = re.sub(r"[\x00-\x1f\x7f\"\\]", "", filename.replace("\\", "/").rpartition("/")[2])
    return name[-120:] or "file"


def _whole(response: httpx.Response) -> Answer | NoAnswer:
    deadline = time.monotonic() + ANSWER_SECONDS
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            return NoAnswer("too_long", sent=True)
        if time.monotonic() > deadline:
            return NoAnswer("timeout", sent=True)
    return Answer(response.status_code, bytes(body), response.headers.get("Date", ""))


def without_secrets(words: str, *secrets: str) -> str:
    """What the platform said, fit for a log or a screen."""
    for secret in secrets:
        if secret:
            words = words.replace(secret, "…")
    return _SECRETS.sub(r"\1\2…", words)[:300]
