"""Single events on their way into the tables: answered at once, written together a moment later.

They wait in a stream of Valkey, in the order of their arrival. A worker takes in what has come, and
removes it only then; whoever dies in between leaves it for the next, and what was written already
counts once. Valkey keeps its log on disk every second.
"""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from members.errors import BufferIsFull
from members.rules.activity import RawEvent
from members.services.events_set_aside import Refused, set_aside
from members.services.ingestion import ingest_activities
from scrm.accounts.models import Enterprise
from scrm.shared.rate_limits import CACHE_FAILURES

logger = logging.getLogger(__name__)

STREAM = "scrm:activities"
UNREADABLE = "scrm:activities:unreadable"
UNREADABLE_KEPT = 1000
LONGEST = 200_000  # events that may wait, some 100 MB
SLICE = 1000
LOCK = 0xAC71B0F  # an advisory lock: one worker empties the stream at a time

ADD = """
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return false end
return redis.call('XADD', KEYS[1], '*', 'enterprise', ARGV[2], 'source', ARGV[3], 'event', ARGV[4])
"""


class Entry(NamedTuple):
    id: str
    raw: RawEvent


class Busy(Exception):
    """Another worker is emptying the stream; it goes on until nothing is left."""


def add_to_buffer(enterprise: Enterprise, raw: RawEvent, *, source: str) -> bool:
    """Let an event wait for the next slice. False where there is no Valkey to wait in.

    Raises ``BufferIsFull``.
    """
    script, stream = _script_at(settings.ACTIVITY_STREAM_URL), STREAM
    values: list[Any] = [LONGEST, enterprise.pk, source, json.dumps(raw)]
    try:
        added = script(keys=[stream], args=values)
    except CACHE_FAILURES:
        logger.warning("Valkey does not answer; an event is written at once.")
        return False
    if added is None:
        raise BufferIsFull
    return True


def flush_buffer(*, budget: float) -> int:
    """Take in what waits, slice by slice, until nothing does or the time is over. How many went."""
    valkey = _valkey_at(settings.ACTIVITY_STREAM_URL)
    until, gone = time.monotonic() + budget, 0
    while time.monotonic() < until:
        entries: Any = valkey.xrange(STREAM, count=SLICE)
        if not entries:
            break
        try:
            _take_in(valkey, entries)
        except Busy:
            break
        valkey.xdel(STREAM, *(key for key, _fields in entries))
        gone += len(entries)
    return gone


def waiting_events() -> int:
    return int(_valkey_at(settings.ACTIVITY_STREAM_URL).xlen(STREAM))


@cache
def _valkey_at(address: str) -> redis.Redis:
    return redis.Redis.from_url(
        address, socket_timeout=2, socket_connect_timeout=2, decode_responses=True
    )


@cache
def _script_at(address: str) -> Any:
    return _valkey_at(address).register_script(ADD)


def _take_in(valkey: redis.Redis, entries: Iterable[tuple[str, dict[str, str]]]) -> None:
    groups: defaultdict[tuple[int, str], list[Entry]] = defaultdict(list)
    for key, fields in entries:
        try:
            entry = Entry(key, RawEvent(*json.loads(fields["event"])))
            groups[int(fields["enterprise"]), fields["source"]].append(entry)
        except (KeyError, TypeError, ValueError):
            _keep_unreadable(valkey, key, fields)
    enterprises = Enterprise.objects.in_bulk([enterprise for enterprise, _source in groups])
    for (enterprise_id, source), group in sorted(groups.items()):
        enterprise = enterprises.get(enterprise_id)
        if enterprise is None:
            for entry in group:
                _keep_unreadable(valkey, entry.id, {"event": json.dumps(entry.raw)})
        else:
            _ingest(enterprise, source, group)


def _ingest(enterprise: Enterprise, source: str, group: Sequence[Entry]) -> None:
    """All at once; where something unforeseen is in the way, in halves, until it stands alone and
    is set aside. Without a database everything stays where it is."""
    try:
        _ingest_whole(enterprise, source, group)
    except (OperationalError, InterfaceError, Busy):
        raise
    except Exception as error:
        if len(group) == 1:
            logger.exception("An event could not be taken in and is set aside.")
            refused = Refused(group[0].raw, "error", type(error).__name__)
            set_aside(enterprise, source, [refused])
            return
        half = len(group) // 2
        _ingest(enterprise, source, group[:half])
        _ingest(enterprise, source, group[half:])


@transaction.atomic
def _ingest_whole(enterprise: Enterprise, source: str, group: Sequence[Entry]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            raise Busy
    rows = [entry.raw for entry in group]
    result = ingest_activities(enterprise, rows, source=source, now=timezone.now())
    refused = [Refused(rows[bad.index], bad.code, bad.message) for bad in result.rejects]
    if refused:
        set_aside(enterprise, source, refused)


def _keep_unreadable(valkey: redis.Redis, key: str, fields: dict[str, str]) -> None:
    """What no enterprise can be told about."""
    logger.error("An entry of the stream of events cannot be read.", extra={"entry": key})
    kept: Any = {"entry": key, **fields}
    valkey.xadd(UNREADABLE, kept, maxlen=UNREADABLE_KEPT, approximate=True)
