"""Leases on dispatches that wait at the platform, and what the platform tells of them.

A lease is the token and a due time ahead, as for sending; the status stays, so that a stop can be
asked for meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection

from campaigns.models import Dispatch
from campaigns.services.claiming import Result

CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id FROM campaigns_dispatch
    WHERE status IN ('awaiting', 'stopping') AND due_at <= statement_timestamp()
    ORDER BY due_at, id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE campaigns_dispatch dispatch SET
    token = %(token)s,
    due_at = statement_timestamp() + make_interval(secs => %(lease)s),
    poll_count = dispatch.poll_count + 1
FROM due
WHERE dispatch.id = due.id
RETURNING dispatch.id
"""

# Only who still waits gets a result. Who was left out by a guard, but was in an earlier call whose
# answer was lost, was reached if the platform says so.
RECORD = """
WITH mine AS MATERIALIZED (
    SELECT id, run_id FROM campaigns_dispatch
    WHERE id = %(id)s AND token = %(token)s AND status IN ('awaiting', 'stopping')
    FOR NO KEY UPDATE
), told AS MATERIALIZED (
    SELECT delivery.recipient_id, delivery.status AS former, word.status, word.reason
    FROM mine
    CROSS JOIN unnest(%(ids)s::bigint[], %(statuses)s::text[], %(reasons)s::text[])
        AS word (recipient_id, status, reason)
    JOIN campaigns_delivery delivery
      ON delivery.run_id = mine.run_id AND delivery.recipient_id = word.recipient_id
    WHERE delivery.recipient_id BETWEEN %(first)s AND %(last)s
      AND (delivery.status = 'awaiting_owner'
           OR (delivery.status = 'suppressed' AND word.status = 'delivered'))
), written AS (
    UPDATE campaigns_delivery delivery SET
        status = told.status, reason = told.reason, settled_at = statement_timestamp()
    FROM told
    WHERE delivery.run_id = %(run)s AND delivery.recipient_id = told.recipient_id
      AND delivery.recipient_id BETWEEN %(first)s AND %(last)s
), tally AS (
    SELECT count(*) FILTER (WHERE former = 'awaiting_owner') AS settled,
        count(*) FILTER (WHERE former = 'suppressed') AS released,
        count(*) FILTER (WHERE status = 'delivered') AS delivered,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE status = 'expired') AS expired
    FROM told
)
UPDATE campaigns_dispatch dispatch SET
    token = NULL,
    last_error = %(code)s,
    submitted_at = coalesce(dispatch.submitted_at, %(submitted_at)s),
    confirmed_at = coalesce(dispatch.confirmed_at, %(confirmed_at)s),
    awaiting_count = dispatch.awaiting_count - tally.settled,
    suppressed_count = dispatch.suppressed_count - tally.released,
    delivered_count = dispatch.delivered_count + tally.delivered,
    failed_count = dispatch.failed_count + tally.failed,
    cancelled_count = dispatch.cancelled_count + tally.cancelled,
    expired_count = dispatch.expired_count + tally.expired,
    status = CASE WHEN dispatch.awaiting_count > tally.settled THEN dispatch.status
                  WHEN dispatch.cancelled_count + tally.cancelled
                       = cardinality(dispatch.recipient_ids) THEN 'cancelled'
                  ELSE 'done' END,
    due_at = statement_timestamp() + make_interval(
        secs => CASE WHEN dispatch.status = %(status)s THEN %(wait)s ELSE 0 END)
FROM mine, tally
WHERE dispatch.id = mine.id
RETURNING dispatch.awaiting_count = 0
"""

# The clock of a simulated platform was moved: what was to be asked later may be told now.
HURRY = """
WITH waiting AS MATERIALIZED (
    SELECT dispatch.id FROM campaigns_dispatch dispatch
    JOIN campaigns_run run ON run.id = dispatch.run_id
    JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
    JOIN wecom_wecomconnection connection
      ON connection.account_id = broadcast.channel_account_id
    WHERE connection.id = %(connection)s AND dispatch.status IN ('awaiting', 'stopping')
      AND dispatch.token IS NULL AND dispatch.due_at > statement_timestamp()
    ORDER BY dispatch.id
    FOR NO KEY UPDATE OF dispatch SKIP LOCKED
)
UPDATE campaigns_dispatch dispatch SET due_at = statement_timestamp()
FROM waiting
WHERE dispatch.id = waiting.id
"""

# The others of the same account would be refused, too.
PARK = """
UPDATE campaigns_dispatch dispatch SET
    due_at = greatest(dispatch.due_at, statement_timestamp() + make_interval(secs => %(wait)s))
FROM campaigns_run run
JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
WHERE dispatch.run_id = run.id AND broadcast.channel_account_id = %(account)s
  AND dispatch.status IN ('awaiting', 'stopping')
"""


@dataclass
class Look:
    """What one look at the platform told. ``rest`` is for who was not named, where it is known
    that nothing more will come; ``wait``: until the next look."""

    wait: timedelta
    results: dict[int, Result] = field(default_factory=dict)
    rest: Result | None = None
    submitted_at: datetime | None = None
    confirmed_at: datetime | None = None
    code: str = ""

    def words(self, recipient_ids: list[int]) -> Mapping[int, Result]:
        if self.rest is None:
            return self.results
        return {**dict.fromkeys(recipient_ids, self.rest), **self.results}


def claim_awaiting() -> Dispatch | None:
    """Lease the one that has been due longest, with what is needed to ask about it."""
    token = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"token": token, "lease": settings.LEASE_SECONDS})
        row = cursor.fetchone()
    if row is None:
        return None
    parts = Dispatch.objects.select_related("run__broadcast__channel_account")
    return parts.filter(pk=row[0], token=token).first()


def record_look(dispatch: Dispatch, look: Look) -> bool | None:
    """Write down what was told; whether everybody has a result now, None if the lease was lost."""
    words = look.words(dispatch.recipient_ids)
    token: UUID | None = dispatch.token
    with connection.cursor() as cursor:
        cursor.execute(
            RECORD,
            {
                "id": dispatch.pk,
                "token": token,
                "run": dispatch.run_id,
                "status": dispatch.status,
                "code": look.code[:60],
                "ids": list(words),
                "statuses": [result.status for result in words.values()],
                "reasons": [result.reason for result in words.values()],
                "first": min(dispatch.recipient_ids),
                "last": max(dispatch.recipient_ids),
                "submitted_at": look.submitted_at,
                "confirmed_at": look.confirmed_at,
                "wait": look.wait.total_seconds(),
            },
        )
        row = cursor.fetchone()
    return None if row is None else bool(row[0])


def hurry_account(connection_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(HURRY, {"connection": connection_id})


def park_account(account_id: int, wait: timedelta) -> None:
    with connection.cursor() as cursor:
        cursor.execute(PARK, {"account": account_id, "wait": wait.total_seconds()})
