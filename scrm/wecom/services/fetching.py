"""Several calls at once, few enough for the platform and for our memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from django.db import connections

from scrm.wecom.client import WecomClient, client_for
from scrm.wecom.client.errors import WecomRefusal
from scrm.wecom.models import WecomConnection

AT_ONCE = 6

type Found[T] = tuple[str, T | WecomRefusal]


@dataclass(frozen=True, slots=True)
class Fetched[T]:
    """``seconds_ago``: since the last of them was read."""

    found: list[Found[T]]
    seconds_ago: float


class Fetcher:
    """A few threads for as long as a step lasts, each with a client of its own."""

    def __init__(self, connection: WecomConnection, *, at_once: int = AT_ONCE) -> None:
        self._connection = connection
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="wecom-fetch")
        self._own = threading.local()
        self._clients: list[WecomClient] = []

    def each[T](
        self,
        call: Callable[[WecomClient, str], T],
        ids: Sequence[str],
        *,
        spared: frozenset[int],
    ) -> list[Found[T]]:
        """One call for each id, in their order. A refusal with a code of ``spared`` concerns that
        one object and is given back; any other is raised."""
        return self.ahead(call, ids, spared=spared)().found

    def ahead[T](
        self,
        call: Callable[[WecomClient, str], T],
        ids: Sequence[str],
        *,
        spared: frozenset[int],
    ) -> Callable[[], Fetched[T]]:
        """The same, begun now and waited for when the result is called."""

        def fetch(id_: str) -> tuple[Found[T], float]:
            try:
                found: T | WecomRefusal = call(self._client(), id_)
            except WecomRefusal as refusal:
                if refusal.code not in spared:
                    raise
                found = refusal
            finally:
                connections.close_all()  # of this thread; the client hardly ever opens one
            return (id_, found), time.monotonic()

        begun = [self._pool.submit(fetch, id_) for id_ in ids]

        def wait() -> Fetched[T]:
            done = [each.result() for each in begun]
            last = max((at for _found, at in done), default=time.monotonic())
            return Fetched([found for found, _at in done], time.monotonic() - last)

        return wait

    def _client(self) -> WecomClient:
        if not hasattr(self._own, "client"):
            self._own.client = client_for(self._connection)
            self._clients.append(self._own.client)
        client: WecomClient = self._own.client
        return client

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        for client in self._clients:
            client.close()
