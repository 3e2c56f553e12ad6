"""Leases on objects that are to be read again. By the database's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection as database

MOST_LOST = 5  # an object whose reading kills the worker is read no more often than that

WITH_WORK = """
SELECT connection.id FROM wecom_wecomconnection connection
WHERE connection.state <> 'paused' AND EXISTS (
    SELECT FROM wecom_readrequest request
    WHERE request.connection_id = connection.id AND request.state = 'waiting'
      AND request.due_at <= statement_timestamp()
)
ORDER BY random()
"""

READERS = """
SELECT count(DISTINCT token) FROM wecom_readrequest
WHERE state = 'waiting' AND token IS NOT NULL AND due_at > statement_timestamp()
"""

BURY = """
WITH lost AS MATERIALIZED (
    SELECT id FROM wecom_readrequest
    WHERE connection_id = %(connection)s AND state = 'waiting' AND token IS NOT NULL
      AND due_at <= statement_timestamp() AND lost_count + 1 >= %(most)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE wecom_readrequest request SET
    state = 'failed', token = NULL, reason = %(reason)s, lost_count = request.lost_count + 1
FROM lost
WHERE request.id = lost.id
"""

# What was lost with its worker is taken alone, so that it hurts only itself.
CLAIM = """
WITH due AS MATERIALIZED (
    SELECT request.id, request.token FROM wecom_readrequest request
    WHERE request.connection_id = %(connection)s AND request.state = 'waiting'
      AND request.due_at <= statement_timestamp()
      AND (request.token IS NOT NULL OR request.lost_count > 0) = %(alone)s
    ORDER BY request.due_at, request.id
    LIMIT %(most)s
    FOR NO KEY UPDATE OF request SKIP LOCKED
)
UPDATE wecom_readrequest request SET
    token = %(token)s,
    due_at = statement_timestamp() + make_interval(secs => %(lease)s),
    attempt_count = least(request.attempt_count + 1, 1000),
    lost_count = request.lost_count + (due.token IS NOT NULL)::int
FROM due
WHERE request.id = due.id
RETURNING request.id, request.kind, request.external_id, request.wanted_version, request.number,
    request.attempt_count, request.ripe_at <= statement_timestamp()
"""

MINE = """
SELECT FROM wecom_readrequest
WHERE id = %(id)s AND token = %(token)s AND state = 'waiting'
FOR NO KEY UPDATE
"""

# Read again at once if somebody asked for it after we began, or so shortly before that the platform
# may not have shown it yet.
FINISH = """
DELETE FROM wecom_readrequest
WHERE id = %(id)s AND token = %(token)s AND number = %(number)s AND %(ripe)s
"""
KEEP = """
UPDATE wecom_readrequest SET
    token = NULL,
    attempt_count = 0,
    lost_count = 0,
    reason = '',
    requested_at = statement_timestamp(),
    due_at = greatest(ripe_at, statement_timestamp())
WHERE id = %(id)s AND token = %(token)s
"""

GIVE_BACK = """
UPDATE wecom_readrequest SET
    token = NULL,
    state = CASE WHEN number = %(number)s THEN %(state)s ELSE 'waiting' END,
    attempt_count = CASE WHEN number = %(number)s THEN %(attempts)s ELSE attempt_count END,
    reason = CASE WHEN number = %(number)s THEN %(reason)s ELSE '' END,
    due_at = CASE
        WHEN number = %(number)s THEN statement_timestamp() + make_interval(secs => %(wait)s)
        ELSE greatest(ripe_at, statement_timestamp())
    END
WHERE id = %(id)s AND token = %(token)s AND state = 'waiting'
"""

PARK = """
UPDATE wecom_readrequest SET due_at = statement_timestamp() + make_interval(secs => %(wait)s)
WHERE connection_id = %(connection)s AND state = 'waiting' AND token IS NULL
  AND (%(kind)s = '' OR kind = %(kind)s)
  AND due_at < statement_timestamp() + make_interval(secs => %(wait)s)
"""


class LeaseLost(Exception):
    """Somebody else has the object now: write nothing."""


class Wanted(NamedTuple):
    """An object in our hands."""

    id: int
    kind: str
    external_id: str
    wanted_version: str
    number: int
    attempt_count: int
    is_ripe: bool


@dataclass(frozen=True, slots=True)
class Claim:
    token: UUID
    objects: list[Wanted]


def connections_with_reads() -> list[int]:
    """Companies in use that have something due, in any order, so that none waits for the rest."""
    with database.cursor() as cursor:
        cursor.execute(WITH_WORK)
        return [connection_id for (connection_id,) in cursor.fetchall()]


def reader_is_needed(workers: int) -> bool:
    """Whether something is due and fewer than so many workers are at it: one that waits for a slow
    platform must not draw in the others."""
    with database.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({WITH_WORK}), ({READERS})")
        is_due, readers = cursor.fetchone()
    return bool(is_due) and int(readers) < workers


def claim_reads(connection_id: int, *, most: int) -> Claim | None:
    """Objects that are due, those that waited longest first."""
    return _claim(connection_id, most=most, alone=False)


def claim_lost_read(connection_id: int, *, reason: str) -> Claim | None:
    """One object whose reader died. What killed enough of them has failed, for this reason."""
    with database.cursor() as cursor:
        cursor.execute(BURY, {"connection": connection_id, "most": MOST_LOST, "reason": reason})
    return _claim(connection_id, most=1, alone=True)


def _claim(connection_id: int, *, most: int, alone: bool) -> Claim | None:
    token = uuid4()
    named: dict[str, int | UUID] = {
        "connection": connection_id,
        "token": token,
        "lease": settings.LEASE_SECONDS,
        "most": most,
        "alone": alone,
    }
    with database.cursor() as cursor:
        cursor.execute(CLAIM, named)
        objects = [Wanted(*row) for row in cursor.fetchall()]
    return Claim(token, objects) if objects else None


def lock_mine(token: UUID, wanted: Wanted) -> None:
    """Hold the object until the end of the transaction. Raises ``LeaseLost``."""
    with database.cursor() as cursor:
        cursor.execute(MINE, {"id": wanted.id, "token": token})
        if cursor.fetchone() is None:
            raise LeaseLost


def finish(token: UUID, wanted: Wanted) -> None:
    """It was read: the request goes, unless it was repeated or came too shortly before."""
    named: dict[str, int | UUID] = {
        "id": wanted.id,
        "token": token,
        "number": wanted.number,
        "ripe": wanted.is_ripe,
    }
    with database.cursor() as cursor:
        cursor.execute(FINISH, named)
        if not cursor.rowcount:
            cursor.execute(KEEP, named)


def give_back(
    token: UUID, wanted: Wanted, *, state: str, attempts: int, wait: timedelta, reason: str
) -> None:
    """Later, or not at all. An object that was asked for meanwhile begins to count anew."""
    with database.cursor() as cursor:
        cursor.execute(
            GIVE_BACK,
            {
                "id": wanted.id,
                "token": token,
                "number": wanted.number,
                "state": state,
                "attempts": attempts,
                "wait": wait.total_seconds(),
                "reason": reason[:200],
            },
        )


def park(connection_id: int, wait: timedelta, *, kind: str = "") -> None:
    """The platform will not answer for so long: let nothing of this kind, or nothing, try."""
    with database.cursor() as cursor:
        seconds = wait.total_seconds()
        cursor.execute(PARK, {"connection": connection_id, "kind": kind, "wait": seconds})
