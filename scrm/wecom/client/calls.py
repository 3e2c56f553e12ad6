"""One call of the platform: its turn, its token, its answer, and what may be repeated."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx
from django.db import connection as database

from scrm.wecom.client.answers import judged, lost
from scrm.wecom.client.apis import Api, reading
from scrm.wecom.client.clock import HeardClock
from scrm.wecom.client.codes import TOKEN_REFUSED, TOO_MANY_AT_ONCE, TOO_OFTEN
from scrm.wecom.client.errors import Kind, Outcome, WecomRefusal
from scrm.wecom.client.parsing import integer
from scrm.wecom.client.throttle import Throttle
from scrm.wecom.client.tokens import GETTOKEN, Token, TokenStore
from scrm.wecom.client.usage import ApiUsage
from scrm.wecom.client.wire import Answer, Wire, without_secrets
from scrm.wecom.models import WecomConnection
from scrm.wecom.signals import apis_used, clock_heard

logger = logging.getLogger("scrm.wecom.client")

MAX_TRIES = 3
FIRST_PAUSE = 0.3  # of which a random part is waited; each further one is twice as long
LONGEST_PAUSE = 4.0
LAST_TRY_SECONDS = 20.0  # no try begins later: whoever calls holds a lease
TOKEN_SECONDS = 7200

GET_TOKEN = reading(GETTOKEN, method="GET")


class Calls:
    """What every group of calls builds on. One object is for one thread."""

    def __init__(
        self,
        connection: WecomConnection,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.connection = connection
        self.agent_id = connection.agent_id
        self._wire = Wire(connection.platform, transport)
        self._tokens = TokenStore(connection, fetch=self._fetch_token)
        self._throttle = Throttle(connection.pk, sleep=sleep)
        self._usages: dict[str, ApiUsage] = {}
        self._clock = HeardClock(connection)
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Tell how much was used since the last time, and where the platform's clock was moved to,
        unless the company is only tried out."""
        usages, self._usages = self._usages, {}
        ahead = self._clock.news()
        if usages and self.connection.pk is not None:
            apis_used.send(
                sender=type(self), connection_id=self.connection.pk, usages=[*usages.values()]
            )
        if ahead is not None and self.connection.pk is not None:
            clock_heard.send(sender=type(self), connection_id=self.connection.pk, ahead=ahead)

    def check_secret(self) -> None:
        """Whether the platform gives us a token. Raises its refusal."""
        _refuse_inside_transaction()
        self._tokens.token()

    def ask(
        self,
        api: Api,
        body: dict[str, Any] | None = None,
        *,
        params: dict[str, str] | None = None,
        file: tuple[str, bytes] | None = None,
    ) -> dict[str, Any]:
        """The answer, its errcode 0. Raises ``WecomRefusal``."""
        _refuse_inside_transaction()
        attempt, refused_token = 1, None
        deadline = time.monotonic() + LAST_TRY_SECONDS
        while True:
            token: Token | None = None
            try:
                token = self._tokens.token(instead_of=refused_token)
                return self._once(
                    api,
                    {**(params or {}), "access_token": token.text},
                    body=body,
                    file=file,
                    attempt=attempt,
                )
            except WecomRefusal as refusal:
                failure = refusal
            if token is not None and refused_token is None and failure.code in TOKEN_REFUSED:
                refused_token = token
                continue
            is_late = attempt == MAX_TRIES or time.monotonic() > deadline
            if is_late or not _may_repeat(failure):
                raise failure
            self._sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)))
            attempt += 1

    def required[T](self, api: Api, answer: dict[str, Any], key: str, kind: type[T]) -> T:
        """What a good answer cannot lack. Without it the answer counts as lost."""
        value = answer.get(key)
        if isinstance(value, kind) and (value or kind is list):
            return value
        raise lost(api, f"no_{key}")

    def new_id(self, api: Api, answer: dict[str, Any], key: str) -> str:
        return self.required(api, answer, key, str)

    def _fetch_token(self) -> tuple[str, int]:
        params = {"corpid": self.connection.corp_id, "corpsecret": self.connection.app_secret}
        answer = self._once(GET_TOKEN, params)
        text = self.required(GET_TOKEN, answer, "access_token", str)
        return text, integer(answer.get("expires_in")) or TOKEN_SECONDS

    def _once(
        self,
        api: Api,
        params: dict[str, str],
        *,
        body: dict[str, Any] | None = None,
        file: tuple[str, bytes] | None = None,
        attempt: int = 1,
    ) -> dict[str, Any]:
        self._throttle.wait_for_turn(api.name)
        usage = self._usages.setdefault(api.name, ApiUsage(api.name))
        began = time.perf_counter()
        found = self._wire.exchange(
            api.name,
            params,
            method=api.method,
            body=body,
            file=file,
            repeatable=api.repeatable,
        )
        ms = round((time.perf_counter() - began) * 1000)
        usage.count(ms=ms)
        try:
            answer = judged(api, found)
        except WecomRefusal as refusal:
            failure = refusal
        else:
            if isinstance(found, Answer):
                self._clock.hear(found.date, seconds=ms / 1000)
            self._log(api, ms, attempt)
            return answer
        failure.message = without_secrets(
            failure.message, self.connection.app_secret, params.get("access_token", "")
        )
        self._take_note(failure, usage)
        self._log(api, ms, attempt, failure)
        raise failure

    def _take_note(self, refusal: WecomRefusal, usage: ApiUsage) -> None:
        """What a refusal means for the calls to come, ours and those of other workers."""
        parked_for = None
        if refusal.code == TOO_OFTEN:
            parked_for = refusal.retry_after = self._throttle.park(refusal.api)
        elif refusal.code in TOO_MANY_AT_ONCE:
            self._throttle.slow_down(refusal.api)
        usage.count_refusal(refusal, parked_for=parked_for)

    def _log(self, api: Api, ms: int, attempt: int, refusal: WecomRefusal | None = None) -> None:
        level = logging.DEBUG if refusal is None else logging.INFO
        if not logger.isEnabledFor(level):
            return
        facts: dict[str, Any] = {
            "api": api.name,
            "connection_id": self.connection.pk,
            "ms": ms,
            "attempt": attempt,
            "errcode": 0 if refusal is None else refusal.code,
        }
        if refusal is not None:
            facts |= {"outcome": refusal.outcome.value, "reason": refusal.message}
        logger.log(level, "Called WeCom.", extra=facts)


def _may_repeat(refusal: WecomRefusal) -> bool:
    return refusal.kind is Kind.TRANSIENT and refusal.outcome is Outcome.RETRYABLE


def _refuse_inside_transaction() -> None:
    """A call may take half a minute; nobody's locks are held for so long. Tests live in one."""
    blocks = database.atomic_blocks
    if blocks and not getattr(blocks[-1], "_from_testcase", False):
        raise RuntimeError("WeCom is not called inside a transaction.")
