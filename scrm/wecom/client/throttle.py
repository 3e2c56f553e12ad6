"""Whose turn it is: how often the interfaces of one company are called, by all workers together.

While Valkey is down every process counts for itself, with a part of the limits.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import cache

import redis
from django.conf import settings

from scrm.shared.rate_limits import CACHE_FAILURES
from scrm.wecom.client.codes import TOO_OFTEN
from scrm.wecom.client.errors import Kind, Outcome, WecomRefusal
from scrm.wecom.client.limiters import AloneLimiter, Limiter, SharedLimiter, Turn
from scrm.wecom.rules.limits import PATIENCE_SECONDS, Window, windows_of

UNREACHABLE_SECONDS = 5.0  # so long we do not ask a Valkey that did not answer


class Throttle:
    """The turns of one company. ``windows`` says how often which interface may be called."""

    def __init__(
        self,
        connection_id: int,
        *,
        sleep: Callable[[float], None] = time.sleep,
        windows: Callable[[str], tuple[Window, ...]] = windows_of,
    ) -> None:
        self._connection_id = connection_id
        self._sleep = sleep
        self._windows = windows

    def wait_for_turn(self, api: str) -> None:
        """Raises a ``WecomRefusal`` of kind rate when it would take more than some seconds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            patience = max(0.0, deadline - time.monotonic())
            turn = self._take(api, patience)
            if turn.parked or (not turn.taken and turn.wait > patience):
                raise _not_now(api, turn)
            if turn.wait > 0:
                self._sleep(turn.wait if turn.taken else turn.wait + random.uniform(0, 0.05))
            if turn.taken:
                return

    def park(self, api: str) -> float:
        """The platform says "too many calls". Returns for how many seconds the interface rests."""
        key = self._key(api)
        return _shared_or_alone(lambda limiter: limiter.park(key))

    def slow_down(self, api: str) -> None:
        """The platform says "too many at once"."""
        key = self._key(api)
        _shared_or_alone(lambda limiter: limiter.slow_down(key))

    def _take(self, api: str, patience: float) -> Turn:
        key, windows = self._key(api), self._windows(api)
        return _shared_or_alone(lambda limiter: limiter.take(key, windows, patience))

    def _key(self, api: str) -> str:
        return f"wecom:turns:{self._connection_id}:{api}"


def _not_now(api: str, turn: Turn) -> WecomRefusal:
    return WecomRefusal(
        api,
        code=TOO_OFTEN if turn.parked else 0,
        kind=Kind.RATE,
        outcome=Outcome.RETRYABLE,
        message="parked" if turn.parked else "our_own_limit",
        retry_after=max(1.0, turn.wait),
    )


@cache
def _limiter_at(address: str) -> SharedLimiter:
    return SharedLimiter(redis.Redis.from_url(address, socket_timeout=2, socket_connect_timeout=2))


_alone = AloneLimiter()
_unreachable_until: dict[str, float] = {}


def _shared_or_alone[T](use: Callable[[Limiter], T]) -> T:
    address = str(settings.CACHES["default"]["LOCATION"])
    if time.monotonic() >= _unreachable_until.get(address, 0):
        try:
            return use(_limiter_at(address))
        except CACHE_FAILURES:
            _unreachable_until[address] = time.monotonic() + UNREACHABLE_SECONDS
    return use(_alone)
