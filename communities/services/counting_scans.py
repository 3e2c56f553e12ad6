"""Counting scans without slowing the redirect: in memory, written every second by a thread.

A process that is killed loses what it counted since the last write, at most about a second of
scans; one that is asked to stop writes first. While the database is away, the counts wait here.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import (
    DatabaseError,
    InterfaceError,
    close_old_connections,
    connection,
    transaction,
)

logger = logging.getLogger(__name__)

type Key = tuple[int, date]  # way and local day

# Ways in one order, so that two processes never wait for each other.
ADD = """
INSERT INTO communities_joinwayday AS kept (join_way_id, day, scan_count)
SELECT way.id, given.day, given.scans
FROM unnest(%s::bigint[], %s::date[], %s::bigint[]) AS given (way_id, day, scans)
JOIN communities_joinway way ON way.id = given.way_id
ORDER BY way.id, given.day
ON CONFLICT (join_way_id, day) DO UPDATE SET scan_count = kept.scan_count + EXCLUDED.scan_count
"""


@dataclass
class Batch:
    """Counts on their way to the database. The transaction's number tells afterwards whether it
    was committed, when the answer to the commit got lost."""

    counts: dict[Key, int]
    transaction_id: str = ""

    def write(self) -> None:
        """All or nothing, and once: called again, it first asks what became of the last try."""
        if self.transaction_id and self.is_committed():
            return
        keys = sorted(self.counts)
        ways, days = [way_id for way_id, _ in keys], [day for _, day in keys]
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()::text")
            self.transaction_id = cursor.fetchone()[0]
            cursor.execute(ADD, [ways, days, [self.counts[key] for key in keys]])

    def is_committed(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_xact_status(%s::xid8)", [self.transaction_id])
            (status,) = cursor.fetchone()
        if status == "in progress":
            raise DatabaseError("The transaction of the last try is not over yet.")
        return bool(status == "committed")


class ScanCounter:
    """Counts of this process that are not in the database yet."""

    def __init__(self) -> None:
        self.counts: Counter[Key] = Counter()
        self.batch: Batch | None = None
        self.counting = threading.Lock()
        self.writing = threading.Lock()
        self.stopping = threading.Event()
        self.writer: threading.Thread | None = None

    def add(self, way_id: int, day: date) -> None:
        with self.counting:
            self.counts[way_id, day] += 1
            if self.writer is None and settings.SCAN_WRITE_SECONDS:
                self.writer = threading.Thread(target=self._write_on, daemon=True, name="scans")
                self.writer.start()
                atexit.register(self.stop)

    def flush(self) -> None:
        """Write what was counted so far; what cannot be written is kept for the next time."""
        with self.writing:
            if self.batch is not None:
                self.batch.write()
                self.batch = None
            with self.counting:
                counts, self.counts = self.counts, Counter()
            if counts:
                self.batch = Batch(dict(counts))
                self.batch.write()
                self.batch = None

    def _write_on(self) -> None:
        while not self.stopping.wait(settings.SCAN_WRITE_SECONDS):
            self._flush_quietly()
        connection.close()

    def _flush_quietly(self) -> None:
        if not self.counts and self.batch is None:
            connection.close()  # a poster rests at night
            return
        close_old_connections()
        try:
            self.flush()
        except (DatabaseError, InterfaceError):
            logger.warning("The scans of join ways could not be written; they are kept.")
            connection.close()

    def stop(self) -> None:
        """The process ends: write once more."""
        self.stopping.set()
        self._flush_quietly()

    def forget(self) -> None:
        with self.writing, self.counting:
            self.counts, self.batch = Counter(), None


SCANS = ScanCounter()


def count_scan(way_id: int, *, time_zone: str, now: datetime) -> None:
    """Count one scan on the local day of its enterprise."""
    SCANS.add(way_id, now.astimezone(_zone(time_zone)).date())


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
