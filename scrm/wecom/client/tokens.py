"""Access tokens: fetched once for all workers, kept sealed, replaced when the platform wants so.

The platform gives one token per app. It stands in the cache, encrypted, under a key that changes
with the app's secret; while the cache is down every process keeps its own. A secret that was
refused is not tried again for a minute, because repeated tries block the whole address.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from django.core.cache import cache

from scrm.shared.crypto import Unreadable, decrypt, encrypt, lookup_digest
from scrm.shared.rate_limits import CACHE_FAILURES
from scrm.wecom.client.errors import Kind, Outcome, WecomRefusal
from scrm.wecom.models import WecomConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

GETTOKEN = "gettoken"
REFUSED_SECONDS = 60
LOCK_SECONDS = 20  # above one call with all its time-outs
PATIENCE_SECONDS = 15.0
POLL_SECONDS = 0.05
MEMORY_SECONDS = 30.0  # how long a client goes on with a token before it looks into the cache
SPARE_SECONDS = 300.0  # a token is given up so long before its end


@dataclass(frozen=True, slots=True)
class Token:
    """``serial`` tells two fetches apart: the platform may give the same text again."""

    text: str
    serial: str
    good_until: float

    @classmethod
    def fetched(cls, text: str, expires_in: int) -> Token:
        spare = min(SPARE_SECONDS, expires_in / 10)
        return cls(text, uuid.uuid4().hex, time.time() + max(1.0, expires_in - spare))


class TokenStore:
    """The tokens of one app. ``fetch`` asks the platform and answers text and seconds."""

    def __init__(
        self, connection: WecomConnection, *, fetch: Callable[[], tuple[str, int]]
    ) -> None:
        digest = lookup_digest(
            f"{connection.corp_id}\0{connection.app_secret}",
            purpose="wecom token",
            enterprise_id=connection.enterprise_id,
        )
        self._key = f"wecom:token:{connection.pk}:{digest[:32]}"
        self._refused_key = f"wecom:token-refused:{connection.pk}:{digest[:32]}"
        self._lock_key = f"wecom:token-lock:{connection.pk}:{digest[:32]}"
        self._fetch = fetch
        self._memory: tuple[Token, float] | None = None

    def token(self, *, instead_of: Token | None = None) -> Token:
        """A token that is good as far as we know, and not ``instead_of``, which was refused.

        Raises ``WecomRefusal``: of the platform, or because the others who fetch take too long.
        """
        now = time.monotonic()
        if instead_of is None and self._memory is not None:
            token, looked_at = self._memory
            if now - looked_at < MEMORY_SECONDS and token.good_until > time.time():
                return token
        token = self._kept(instead_of) or self._fetched_once(instead_of)
        self._memory = token, now
        return token

    def _fetched_once(self, instead_of: Token | None) -> Token:
        """One thread of this process asks at a time, and one process of all."""
        with _alone_in_process(self._key):
            return self._kept(instead_of) or self._fetched_by_one_process(instead_of)

    def _fetched_by_one_process(self, instead_of: Token | None) -> Token:
        deadline = time.monotonic() + PATIENCE_SECONDS
        owner = uuid.uuid4().hex
        while not _locked(self._lock_key, owner):
            time.sleep(POLL_SECONDS)
            if found := self._kept(instead_of):
                return found
            if time.monotonic() > deadline:
                raise _token_is_slow()
        try:
            return self._kept(instead_of) or self._fetch_and_keep()
        finally:
            _unlock(self._lock_key, owner)

    def _fetch_and_keep(self) -> Token:
        try:
            text, expires_in = self._fetch()
        except WecomRefusal as refusal:
            if refusal.outcome is Outcome.PERMANENT:
                _keep(self._refused_key, _as_document(refusal), REFUSED_SECONDS)
            raise
        token = Token.fetched(text, expires_in)
        _keep(self._key, asdict(token), token.good_until - time.time())
        return token

    def _kept(self, instead_of: Token | None) -> Token | None:
        """Raises the refusal again, if the secret was refused a moment ago."""
        if refused := _kept(self._refused_key):
            raise _as_refusal(refused)
        found = _kept(self._key)
        if found is None:
            return None
        token = Token(**found)
        if token.good_until <= time.time():
            return None
        if instead_of is not None and token.serial == instead_of.serial:
            return None
        return token


def _token_is_slow() -> WecomRefusal:
    return WecomRefusal(
        GETTOKEN,
        code=0,
        kind=Kind.TRANSIENT,
        outcome=Outcome.RETRYABLE,
        message="others_are_fetching",
        retry_after=5.0,
    )


def _as_document(refusal: WecomRefusal) -> dict[str, Any]:
    return {"code": refusal.code, "kind": refusal.kind.value, "message": refusal.message}


def _as_refusal(document: dict[str, Any]) -> WecomRefusal:
    return WecomRefusal(
        GETTOKEN,
        code=document["code"],
        kind=Kind(document["kind"]),
        outcome=Outcome.PERMANENT,
        message=document["message"],
        retry_after=REFUSED_SECONDS,
    )


# --- Where they are kept --------------------------------------------------------------------------

_own: dict[str, tuple[str, float]] = {}  # while the cache is down: sealed value, until when
_stripes = [threading.Lock() for _ in range(64)]


@contextmanager
def _alone_in_process(key: str) -> Iterator[None]:
    lock = _stripes[hash(key) % len(_stripes)]
    if not lock.acquire(timeout=PATIENCE_SECONDS):
        raise _token_is_slow()
    try:
        yield
    finally:
        lock.release()


def _keep(key: str, document: dict[str, Any], seconds: float) -> None:
    sealed = encrypt(json.dumps(document))
    try:
        cache.set(key, sealed, max(1, int(seconds)))
    except CACHE_FAILURES:
        _own[key] = sealed, time.monotonic() + seconds


def _kept(key: str) -> dict[str, Any] | None:
    try:
        sealed = cache.get(key)
    except CACHE_FAILURES:
        sealed, until = _own.get(key, (None, 0.0))
        if until < time.monotonic():
            _own.pop(key, None)
            return None
    if sealed is None:
        return None
    try:
        found = json.loads(decrypt(sealed))
    except (Unreadable, ValueError):  # kept under a key that has been taken away
        return None
    return found if isinstance(found, dict) else None


def _locked(key: str, owner: str) -> bool:
    """Without the cache every process is its own master."""
    try:
        return cache.add(key, owner, LOCK_SECONDS)
    except CACHE_FAILURES:
        return True


def _unlock(key: str, owner: str) -> None:
    try:
        if cache.get(key) == owner:
            cache.delete(key)
    except CACHE_FAILURES:
        pass  # it ends by itself
