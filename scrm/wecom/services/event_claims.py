"""Leases on callbacks: who processes which ones, and writing down what became of them.

One worker at a time takes new callbacks of a company, in the order of their arrival; those that
went wrong before are taken one by one, so that each hurts only itself. By the database's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection as database
from django.db import transaction

from scrm.shared.crypto import Unreadable, decrypt
from scrm.wecom.rules.status import EventState

BATCH = 200
MOST_ATTEMPTS = 5
#: A lease only has to last from the claim to the transaction that locks the rows.
LONGEST_LEASE = 10.0

# The first of each index, so that no plan ever reads what was settled.
WITH_WORK = """
SELECT connection.id FROM wecom_wecomconnection connection
WHERE connection.state <> 'paused' AND least(
    (
        SELECT min(event.due_at) FROM wecom_inboundevent event
        WHERE event.connection_id = connection.id AND event.state = 'waiting'
          AND event.attempt_count = 0
    ),
    (
        SELECT min(event.due_at) FROM wecom_inboundevent event
        WHERE event.connection_id = connection.id AND event.state = 'waiting'
          AND event.attempt_count > 0
    )
) <= statement_timestamp()
ORDER BY random()
"""

# Held until the claim is committed, so that two workers never take new callbacks of one company.
LOCK = """
SELECT FROM wecom_wecomconnection
WHERE id = %(connection)s AND state <> 'paused'
FOR NO KEY UPDATE SKIP LOCKED
"""

BURY = """
WITH lost AS MATERIALIZED (
    SELECT id FROM wecom_inboundevent
    WHERE connection_id = %(connection)s AND state = 'waiting' AND attempt_count > 0
      AND attempt_count >= %(most)s AND due_at <= statement_timestamp()
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE wecom_inboundevent event SET
    state = 'failed',
    token = NULL,
    reason = CASE reason WHEN '' THEN %(lost)s ELSE reason END,
    settled_at = statement_timestamp()
FROM lost
WHERE event.id = lost.id
"""

CLAIM_NEW = """
WITH due AS MATERIALIZED (
    SELECT event.id FROM wecom_inboundevent event
    WHERE event.connection_id = %(connection)s AND event.state = 'waiting'
      AND event.due_at <= statement_timestamp() AND event.attempt_count = 0
      AND NOT EXISTS (
          SELECT FROM wecom_inboundevent leased
          WHERE leased.connection_id = %(connection)s AND leased.state = 'waiting'
            AND leased.attempt_count > 0 AND leased.due_at > statement_timestamp()
            AND leased.token IS NOT NULL AND leased.attempt_count = 1
      )
    ORDER BY event.due_at, event.id
    LIMIT %(most)s
    FOR NO KEY UPDATE OF event SKIP LOCKED
)
UPDATE wecom_inboundevent event SET
    token = %(token)s,
    due_at = statement_timestamp() + make_interval(secs => %(lease)s),
    attempt_count = 1
FROM due
WHERE event.id = due.id
RETURNING event.id, event.received_at, event.payload, event.attempt_count
"""

CLAIM_SUSPECT = """
WITH due AS MATERIALIZED (
    SELECT event.id FROM wecom_inboundevent event
    WHERE event.connection_id = %(connection)s AND event.state = 'waiting'
      AND event.due_at <= statement_timestamp() AND event.attempt_count > 0
    ORDER BY event.due_at, event.id
    LIMIT 1
    FOR NO KEY UPDATE OF event SKIP LOCKED
)
UPDATE wecom_inboundevent event SET
    token = %(token)s,
    due_at = statement_timestamp() + make_interval(secs => %(lease)s),
    attempt_count = event.attempt_count + 1
FROM due
WHERE event.id = due.id
RETURNING event.id, event.received_at, event.payload, event.attempt_count
"""

MINE = """
SELECT id FROM wecom_inboundevent
WHERE id = ANY(%(ids)s::bigint[]) AND token = %(token)s AND state = 'waiting'
FOR NO KEY UPDATE
"""

SETTLE = """
UPDATE wecom_inboundevent event SET
    state = given.state,
    reason = given.reason,
    token = NULL,
    settled_at = statement_timestamp()
FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[])
    AS given (id, state, reason)
WHERE event.id = given.id AND event.token = %(token)s
"""

GIVE_BACK = """
UPDATE wecom_inboundevent SET
    state = %(state)s,
    token = NULL,
    due_at = statement_timestamp() + make_interval(secs => %(wait)s),
    attempt_count = %(attempts)s,
    reason = %(reason)s,
    settled_at = CASE %(state)s WHEN 'failed' THEN statement_timestamp() END
WHERE id = %(id)s AND token = %(token)s AND state = 'waiting'
"""


class LeaseLost(Exception):
    """Somebody else has the callbacks now: write nothing."""


class Row(NamedTuple):
    """A callback in our hands."""

    id: int
    received_at: datetime
    sealed: str
    attempt_count: int

    def payload(self) -> str | None:
        """None if none of the keys can read it."""
        try:
            return decrypt(self.sealed) if self.sealed else ""
        except Unreadable:
            return None


@dataclass(frozen=True, slots=True)
class Claim:
    """Callbacks of one company, in the order of their arrival."""

    token: UUID
    rows: list[Row]

    @property
    def ids(self) -> list[int]:
        return [row.id for row in self.rows]


class Result(NamedTuple):
    state: str
    reason: str = ""


PROCESSED = Result(EventState.PROCESSED.value)


def connections_with_events() -> list[int]:
    """Companies in use that have something due, in any order, so that none waits for the rest."""
    with database.cursor() as cursor:
        cursor.execute(WITH_WORK)
        return [connection_id for (connection_id,) in cursor.fetchall()]


def has_due_events() -> bool:
    with database.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({WITH_WORK})")
        (found,) = cursor.fetchone()
    return bool(found)


@transaction.atomic
def claim_new(connection_id: int, *, most: int = BATCH) -> Claim | None:
    """Callbacks that were never tried; none while somebody else has some of this company."""
    with database.cursor() as cursor:
        cursor.execute(LOCK, {"connection": connection_id})
        if cursor.fetchone() is None:
            return None
    return _claim(CLAIM_NEW, connection_id, most)


def claim_suspect(connection_id: int, *, lost: str) -> Claim | None:
    """One callback that was tried before, or lost with its worker. What was tried often enough
    has failed, for the reason ``lost`` if nobody lived to tell another."""
    with database.cursor() as cursor:
        bury: dict[str, int | str] = {
            "connection": connection_id,
            "most": MOST_ATTEMPTS,
            "lost": lost,
        }
        cursor.execute(BURY, bury)
    return _claim(CLAIM_SUSPECT, connection_id, 1)


def _claim(statement: str, connection_id: int, most: int) -> Claim | None:
    token = uuid4()
    lease = min(LONGEST_LEASE, settings.LEASE_SECONDS)
    named: dict[str, int | float | UUID] = {
        "connection": connection_id,
        "token": token,
        "lease": lease,
        "most": most,
    }
    with database.cursor() as cursor:
        cursor.execute(statement, named)
        rows = sorted(Row(*row) for row in cursor.fetchall())
    return Claim(token, rows) if rows else None


def lock_mine(token: UUID, ids: Sequence[int]) -> None:
    """Hold the callbacks until the end of the transaction. Raises ``LeaseLost``."""
    with database.cursor() as cursor:
        cursor.execute(MINE, {"ids": list(ids), "token": token})
        if len(cursor.fetchall()) != len(ids):
            raise LeaseLost


def settle(token: UUID, results: Mapping[int, Result]) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            SETTLE,
            {
                "token": token,
                "ids": list(results),
                "states": [result.state for result in results.values()],
                "reasons": [result.reason[:200] for result in results.values()],
            },
        )


def give_back(
    token: UUID, row_id: int, *, state: str, attempts: int, wait: timedelta, reason: str
) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            GIVE_BACK,
            {
                "token": token,
                "id": row_id,
                "state": state,
                "attempts": attempts,
                "wait": wait.total_seconds(),
                "reason": reason[:200],
            },
        )
