"""Where the apps above say what they do with callbacks, with what is read, and in a sync.

The platform's room knows no community: it stores, claims and calls; those who register here know
what a fact means. They register once, when their app is ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.utils.functional import Promise

from scrm.wecom.client import WecomClient
from scrm.wecom.client.errors import WecomRefusal
from scrm.wecom.models import SyncRun, WecomConnection
from scrm.wecom.rules.events import Event

# --- Callbacks ------------------------------------------------------------------------------------

#: Takes events of one connection in the order of their arrival, in the transaction that also
#: settles them, so without calls to the platform. Returns why some of them (by ``row_id``) were of
#: no use; what it raises sends the events back, each to be tried alone.
type Handle = Callable[[WecomConnection, Sequence[Event]], Mapping[int, str] | None]

_handles: dict[tuple[str, str], Handle] = {}


def on_event(event: str, change_types: Sequence[str], handle: Handle) -> None:
    """Let ``handle`` have these callbacks. One handler per event and change type."""
    for change_type in change_types:
        if (event, change_type) in _handles:
            raise ValueError(f"{event} {change_type} has a handler already.")
        _handles[event, change_type] = handle


def handler_of(event: str, change_type: str) -> Handle | None:
    return _handles.get((event, change_type))


# --- Single readings ------------------------------------------------------------------------------


class NotYet(Exception):
    """The platform still shows an older state than the event spoke of: read again later."""


class Reader(Protocol):
    """How one kind of object is read and what becomes of it. ``fetch`` calls the platform, with no
    transaction open; ``apply`` and ``gone`` write, in one."""

    def fetch(self, client: WecomClient, external_id: str) -> Any: ...

    def apply(
        self, connection: WecomConnection, found: Any, *, read_at: datetime, wanted_version: str
    ) -> None:
        """May raise ``NotYet``."""
        ...

    def gone(self, connection: WecomConnection, external_id: str, *, refusal: WecomRefusal) -> None:
        """The platform says that there is no such object, or none that we may see."""
        ...


_readers: dict[str, Reader] = {}


def on_read(kind: str, reader: Reader) -> None:
    if kind in _readers:
        raise ValueError(f"{kind} has a reader already.")
    _readers[kind] = reader


def reader_of(kind: str) -> Reader | None:
    return _readers.get(kind)


# --- Steps of a sync ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """What one or a few calls brought. ``apply`` writes it and returns what it counted, as
    ``{"seen": 20, "added": 1, …}``; ``cursor`` is where to go on once it is written. ``partial``
    says, in words, what this page could not read: the run then ends as partly done."""

    apply: Callable[[], Mapping[str, int]]
    cursor: dict[str, Any] = field(default_factory=dict)
    partial: str = ""


class SyncStep(Protocol):
    """One kind of object. ``pages`` goes on from a cursor (empty at first); it calls the platform
    while it is iterated, with no transaction open. ``drift`` names the counts that tell what the
    events had not told us."""

    name: str
    title: str | Promise
    scopes: frozenset[str]
    drift: frozenset[str]

    def pages(
        self, run: SyncRun, client: WecomClient, cursor: dict[str, Any]
    ) -> Iterator[Page]: ...


_steps: list[SyncStep] = []


def add_sync_step(step: SyncStep) -> None:
    """Steps run in the order in which they are added: the directory, customers, groups."""
    if any(known.name == step.name for known in _steps):
        raise ValueError(f"There is a step {step.name} already.")
    _steps.append(step)


def sync_steps(scope: str) -> list[SyncStep]:
    return [step for step in _steps if scope in step.scopes]
