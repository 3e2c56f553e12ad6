"""Several calls at once, few enough for the platform and for our memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType

from django.db import connections

from scrm.wecom.client.errors import WecomRefusal

AT_ONCE = 6


class Fetcher:
    """A few threads for as long as a step lasts. They call the platform and nothing else."""

    def __init__(self, *, at_once: int = AT_ONCE) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="wecom-fetch")

    def each[T](
        self, call: Callable[[str], T], ids: Sequence[str], *, spared: frozenset[int]
    ) -> list[tuple[str, T | WecomRefusal]]:
        """One call for each id, in their order. A refusal with a code of ``spared`` concerns that
        one object and is given back; any other is raised."""
        return list(self._pool.map(lambda id_: _spare(call, id_, spared), ids))

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def _spare[T](
    call: Callable[[str], T], id_: str, spared: frozenset[int]
) -> tuple[str, T | WecomRefusal]:
    try:
        return id_, call(id_)
    except WecomRefusal as refusal:
        if refusal.code not in spared:
            raise
        return id_, refusal
    finally:
        with suppress(Exception):  # the client may have counted in the database
            connections.close_all()
