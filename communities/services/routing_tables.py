"""The routing tables of join ways, kept in this process so that a burst of scans costs one query.

A table is read again when it is a second old, by one thread at a time while the others still use
the old one, and never used when it is older than two: so long a changed way or a chat that became
full may go unnoticed. While the database is away, the last known table serves on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import DatabaseError, InterfaceError, connection

from communities.rules.join_ways import is_code
from communities.rules.kinds import EntryMode
from communities.rules.routing import Candidate, RoutingTable

logger = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
LIMIT_SECONDS = 2.0
AWAY_SECONDS = 300.0  # how long a table outlives a database that does not answer
LOAD_PATIENCE = 20.0  # above the statement timeout
KEPT = 4096  # codes; unknown ones count too, so guessing cannot fill the memory
CHATS = 200  # of a way that leads to every chat of a huge community, those with the most room

TABLE = """
WITH RECURSIVE way AS (
    SELECT id, state, community_id FROM communities_joinway WHERE code = %(code)s
), route AS (
    SELECT route.* FROM communities_joinroute route JOIN way ON route.join_way_id = way.id
), region (top, id, code) AS (
    SELECT value.id, value.id, value.code
    FROM communities_classificationvalue value
    WHERE value.id IN (SELECT region_id FROM route)
    UNION
    SELECT region.top, child.id, child.code
    FROM communities_classificationvalue child JOIN region ON child.parent_id = region.id
), chat AS (
    SELECT chat.id, chat.join_url, chat.capacity - chat.member_count AS room,
           coalesce(route.weight, 1) AS weight,
           ARRAY(SELECT region.code FROM region WHERE region.top = route.region_id) AS regions
    FROM communities_groupchat chat
    JOIN way ON chat.community_id = way.community_id
    LEFT JOIN route ON route.chat_id = chat.id
    WHERE chat.state = 'active' AND chat.member_count < chat.capacity
      AND (route.id IS NOT NULL OR NOT EXISTS (SELECT FROM route))
    ORDER BY room DESC, chat.id
    LIMIT %(chats)s
)
SELECT way.id, way.state, community.status, community.join_slug, enterprise.time_zone,
       policy.mode = %(open)s AND community.minimum_tier_id IS NULL AND NOT EXISTS (
           SELECT FROM communities_entrypolicy_evidence_axes asked
           WHERE asked.entrypolicy_id = policy.id
       ),
       (SELECT json_agg(json_build_array(id, room, weight, regions, join_url) ORDER BY id)
        FROM chat)
FROM way
JOIN communities_community community ON community.id = way.community_id
JOIN accounts_enterprise enterprise ON enterprise.id = community.enterprise_id
LEFT JOIN communities_entrypolicy policy
       ON policy.community_id = community.id AND policy.is_active
"""


def load_table(code: str) -> RoutingTable | None:
    """The table of a way as the database has it now, in one query; None for an unknown code."""
    with connection.cursor() as cursor:
        cursor.execute(TABLE, {"code": code, "chats": CHATS, "open": EntryMode.OPEN})
        row = cursor.fetchone()
    if row is None:
        return None
    way_id, state, status, slug, time_zone, is_ungated, chats = row
    return RoutingTable(
        way_id=way_id,
        state=state,
        community_status=status,
        is_ungated=bool(is_ungated),
        join_page=f"/join/{slug}?via={code}",
        time_zone=time_zone,
        candidates=tuple(_candidate(*chat) for chat in chats or ()),
    )


def _candidate(chat_id: int, room: int, weight: int, regions: list[str], url: str) -> Candidate:
    is_address = url.startswith(("https://", "http://"))
    return Candidate(chat_id, room, weight, frozenset(regions), url if is_address else "")


@dataclass(slots=True)
class Kept:
    """A table and the moment its reading began."""

    table: RoutingTable | None
    read_at: float
    retry_at: float


@dataclass
class Reading:
    """One thread reads, the others wait for its end."""

    over: threading.Event = field(default_factory=threading.Event)
    kept: Kept | None = None
    error: BaseException | None = None


class TableCache:
    """Tables by code, read by ``load``."""

    def __init__(
        self,
        load: Callable[[str], RoutingTable | None] = load_table,
        *,
        clock: Callable[[], float] = time.monotonic,
        kept: int = KEPT,
    ) -> None:
        self.load, self.clock, self.most = load, clock, kept
        self.tables: OrderedDict[str, Kept] = OrderedDict()  # the oldest reading first
        self.readings: dict[str, Reading] = {}
        self.lock = threading.Lock()

    def table(self, code: str) -> RoutingTable | None:
        """The table of a code, at most two seconds old; None for an unknown code.

        Raises the database's error when it is not known and cannot be read.
        """
        now = self.clock()
        kept = self.tables.get(code)
        if kept is not None and now < kept.retry_at:
            return kept.table
        with self.lock:
            kept = self.tables.get(code)  # somebody may just have read it
            if kept is not None and now < kept.retry_at:
                return kept.table
            reading = self.readings.get(code)
            is_reader = reading is None
            if reading is None:
                reading = self.readings[code] = Reading()
        if is_reader:
            return self._read(code, reading, kept)
        if kept is not None and now < kept.read_at + LIMIT_SECONDS:
            return kept.table
        reading.over.wait(LOAD_PATIENCE)
        if reading.kept is None:
            raise reading.error or DatabaseError("The routing table was not read in time.")
        return reading.kept.table

    def _read(self, code: str, reading: Reading, former: Kept | None) -> RoutingTable | None:
        began = self.clock()
        try:
            reading.kept = Kept(self.load(code), began, began + FRESH_SECONDS)
        except (DatabaseError, InterfaceError) as error:
            if former is None or began > former.read_at + AWAY_SECONDS:
                reading.error = error
                raise
            logger.warning("The routing table of a join way could not be read again.")
            reading.kept = Kept(former.table, former.read_at, began + FRESH_SECONDS)
        except BaseException as error:
            reading.error = error
            raise
        finally:
            with self.lock:
                if reading.kept is not None:
                    self._keep(code, reading.kept)
                del self.readings[code]
            reading.over.set()
        return reading.kept.table

    def _keep(self, code: str, kept: Kept) -> None:
        self.tables[code] = kept
        self.tables.move_to_end(code)
        while len(self.tables) > self.most:
            self.tables.popitem(last=False)

    def forget(self) -> None:
        with self.lock:
            self.tables.clear()


TABLES = TableCache()


def routing_table(code: str) -> RoutingTable | None:
    """The table of a scanned code, from this process's memory or in one query."""
    code = code.lower()
    return TABLES.table(code) if is_code(code) else None
