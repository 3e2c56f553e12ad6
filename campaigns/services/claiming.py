"""Leases on dispatches: taking one, giving it back, and writing down what became of it.

Every write names the token of the lease, so who has lost a lease can no longer change anything.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection

from campaigns.rules.status import DeliveryStatus

# A paused broadcast, a channel switched off and a run that waits are seen here, at every claim.
# Of a run being cancelled only what may have been handed over is taken, to learn what became of it.
# Materialised, the choice is made once; as a subquery some plans would make it for every row.
CLAIM = """
WITH due AS MATERIALIZED (
    SELECT candidate.id, candidate.status, candidate.token, run.status AS run_status
    FROM campaigns_dispatch candidate
    JOIN campaigns_run run ON run.id = candidate.run_id
    JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
    JOIN wecom_channelaccount account ON account.id = broadcast.channel_account_id
    WHERE candidate.status IN ('pending', 'leased') AND candidate.due_at <= statement_timestamp()
      AND (run.held_until IS NULL OR run.held_until <= statement_timestamp())
      AND (
          (run.status = 'sending' AND broadcast.status = 'running' AND account.is_active)
          OR (run.status = 'cancelling' AND candidate.status = 'leased')
      )
    ORDER BY candidate.due_at, candidate.id
    LIMIT 1
    FOR NO KEY UPDATE OF candidate SKIP LOCKED
)
UPDATE campaigns_dispatch dispatch SET
    status = 'leased',
    token = %(token)s,
    due_at = statement_timestamp() + make_interval(secs => %(lease)s),
    attempt_count = dispatch.attempt_count + 1,
    lost_count = dispatch.lost_count + (due.status = 'leased' AND due.token IS NOT NULL)::int
FROM due
WHERE dispatch.id = due.id
RETURNING dispatch.id, dispatch.run_id, dispatch.recipient_ids, dispatch.attempt_count,
    dispatch.lost_count, due.status = 'leased', due.run_status = 'cancelling'
"""

GIVE_BACK = """
UPDATE campaigns_dispatch SET
    status = %(status)s,
    token = NULL,
    due_at = statement_timestamp() + make_interval(secs => %(wait)s),
    attempt_count = attempt_count - %(uncounted)s,
    last_error = %(code)s
WHERE id = %(id)s AND token = %(token)s AND status = 'leased'
"""

# A dispatch has few different results: each recipient carries the number of its own.
# The range of ids keeps this an index range scan, however large the table and old its statistics.
RECORD = """
WITH mine AS (
    UPDATE campaigns_dispatch SET
        status = %(status)s,
        token = NULL,
        last_error = %(code)s,
        delivered_count = %(delivered)s,
        awaiting_count = %(awaiting_owner)s,
        failed_count = %(failed)s,
        suppressed_count = %(suppressed)s,
        cancelled_count = %(cancelled)s
    WHERE id = %(id)s AND token = %(token)s AND status = 'leased'
    RETURNING id
)
UPDATE campaigns_delivery delivery SET
    status = (%(statuses)s::text[])[result.number],
    reason = (%(reasons)s::text[])[result.number],
    settled_at = statement_timestamp()
FROM mine, unnest(%(ids)s::bigint[], %(numbers)s::int[]) AS result (recipient_id, number)
WHERE delivery.run_id = %(run)s
  AND delivery.recipient_id = result.recipient_id
  AND delivery.recipient_id BETWEEN %(first)s AND %(last)s
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on one dispatch. ``was_leased``: an earlier call may have arrived."""

    token: UUID
    ends_at: float  # by the monotonic clock of this process, never later than in the database
    dispatch_id: int
    run_id: int
    recipient_ids: list[int]
    attempt_count: int
    lost_count: int
    was_leased: bool
    is_cancelled: bool

    @property
    def key(self) -> str:
        return f"dispatch-{self.dispatch_id}"

    @property
    def seconds_left(self) -> float:
        return self.ends_at - time.monotonic()


class Result(NamedTuple):
    """What became of one recipient: a value of ``DeliveryStatus``, and why."""

    status: str
    reason: str = ""


def claim_dispatch() -> Claim | None:
    """Lease the dispatch that has been due longest."""
    ends_at = time.monotonic() + settings.LEASE_SECONDS
    token = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"token": token, "lease": settings.LEASE_SECONDS})
        row = cursor.fetchone()
    return None if row is None else Claim(token, ends_at, *row)


def give_back(
    claim: Claim, *, wait: timedelta, code: str, unknown: bool = False, counted: bool = True
) -> None:
    """Try it again later. ``unknown``: it may have been handed over."""
    with connection.cursor() as cursor:
        cursor.execute(
            GIVE_BACK,
            {
                "id": claim.dispatch_id,
                "token": claim.token,
                "status": "leased" if unknown else "pending",
                "wait": wait.total_seconds(),
                "uncounted": 0 if counted else 1,
                "code": code,
            },
        )


def record_results(
    claim: Claim, results: Mapping[int, Result], *, code: str = "", status: str = "done"
) -> bool:
    """All results of a dispatch at once; False when the lease was lost and nothing was written."""
    alike: dict[Result, list[int]] = {}
    for recipient_id, result in results.items():
        alike.setdefault(result, []).append(recipient_id)
    counts = dict.fromkeys(DeliveryStatus.values, 0)
    for result, recipient_ids in alike.items():
        counts[result.status] += len(recipient_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            RECORD,
            {
                **counts,
                "id": claim.dispatch_id,
                "token": claim.token,
                "run": claim.run_id,
                "status": status,
                "code": code,
                "ids": list(chain.from_iterable(alike.values())),
                "numbers": [n for n, group in enumerate(alike.values(), 1) for _ in group],
                "statuses": [result.status for result in alike],
                "reasons": [result.reason for result in alike],
                "first": claim.recipient_ids[0],
                "last": claim.recipient_ids[-1],
            },
        )
        return bool(cursor.rowcount == len(results))
