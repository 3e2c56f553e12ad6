"""The address that WeCom calls: a GET when somebody saves it there, a POST for every event.

Whatever is wrong with a call, its answer is the same, so that nobody learns anything by trying. A
call is answered as taken only once it is stored; while the database is away WeCom has to repeat it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from http import HTTPStatus

from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from scrm.wecom.services.inbox import NotTaken, Signed, take_callback, verify_address
from scrm.wecom.tasks import INBOX_BELL

logger = logging.getLogger(__name__)

LONGEST_BODY = 65_536  # bytes; the platform's events have a few hundred
TEXT = "text/plain; charset=utf-8"


@csrf_exempt
@require_http_methods(["GET", "POST"])
def callback(request: HttpRequest, key: str) -> HttpResponse:
    try:
        return _verify(request, key) if request.method == "GET" else _take(request, key)
    except NotTaken as error:
        REFUSALS.note(error.reason)
        return _answer(status=HTTPStatus.FORBIDDEN)
    except SuspiciousOperation:  # more parameters than Django reads
        REFUSALS.note("not a callback")
        return _answer(status=HTTPStatus.FORBIDDEN)
    except (DatabaseError, InterfaceError):
        logger.exception("A callback could not be stored; the platform will repeat it.")
        return _answer(status=HTTPStatus.SERVICE_UNAVAILABLE)


def _verify(request: HttpRequest, key: str) -> HttpResponse:
    # a form decoder reads the "+" of base64 as a space
    hidden = request.GET.get("echostr", "").replace(" ", "+")
    return _answer(verify_address(key, _signed(request), hidden))


def _take(request: HttpRequest, key: str) -> HttpResponse:
    if take_callback(key, _signed(request), _body(request)):
        INBOX_BELL.ask()
    return _answer(b"success")


def _signed(request: HttpRequest) -> Signed:
    said = request.GET
    return Signed(said.get("msg_signature", ""), said.get("timestamp", ""), said.get("nonce", ""))


def _body(request: HttpRequest) -> bytes:
    """What was sent, if it is not too long to be a callback: no more than that is ever read."""
    declared = request.META.get("CONTENT_LENGTH") or ""
    if declared.isdecimal() and int(declared[:20]) > LONGEST_BODY:
        raise NotTaken("too long")
    # Django reads nothing of a body without a length; the server knows where it ends.
    has_end = not declared and request.META.get("wsgi.input_terminated")
    stream = request.META["wsgi.input"] if has_end else request
    body = b""
    try:
        while chunk := stream.read(LONGEST_BODY + 1 - len(body)):
            body += chunk
    except OSError:
        raise NotTaken("cut off") from None
    if len(body) > LONGEST_BODY:
        raise NotTaken("too long")
    return body


def _answer(content: bytes = b"", *, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    response = HttpResponse(content, content_type=TEXT, status=status)
    response["Cache-Control"] = "no-store"
    # Django would write a line for each refusal; ours are counted
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


class Refusals:
    """Why callbacks were not taken, one line a second at most, however many are forged."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reasons: Counter[str] = Counter()
        self.quiet_until = 0.0

    def note(self, reason: str) -> None:
        with self.lock:
            self.reasons[reason] += 1
            now = time.monotonic()
            if now < self.quiet_until:
                return
            reasons, self.reasons = dict(self.reasons), Counter()
            self.quiet_until = now + 1.0
        logger.warning("Callbacks were not taken.", extra={"reasons": reasons})


REFUSALS = Refusals()
