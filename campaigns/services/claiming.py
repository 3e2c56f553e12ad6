"""Leases on dispatches: taking one, giving it back, and writing down what became of it.

Every write names the token of the lease, so who has lost a lease can no longer change anything.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection

from campaigns.channels.registry import confirming_kinds, one_at_a_time_kinds
from campaigns.rules.rates import PORTIONS, USED_SHARE
from campaigns.rules.status import DeliveryStatus, DispatchStatus

# A paused broadcast, a channel switched off, a run that waits and an account without tokens are
# seen here, at every claim: first the few runs that may go on, by what of them has waited longest,
# then the first dispatch that nobody else is taking. Of a run being cancelled only what may have
# been handed over is taken, to learn what became of it. Of one sender of a channel that has to be
# asked after a failure, one call at a time is under way: else two of the same look alike there.
# Tokens are taken in the same statement and stay with the dispatch until its call begins. Only a
# channel whose messages wait for a colleague's word takes more at once than the bucket holds.
# Materialised, each choice is made once; as a subquery some plans would make it for every row.
CLAIM = """
WITH runs AS MATERIALIZED (
    SELECT run.id, run.status, account.id AS account_id, first.due_at,
        run.status = 'sending' AND coalesce(account.rate_per_second, 0) > 0 AS is_limited,
        account.kind = ANY(%(one_at_a_time)s) AS is_one_at_a_time,
        account.kind = ANY(%(whole)s) AS is_whole,
        account.rate_per_second::float8 AS rate, full_one.bucket,
        greatest(1, floor(full_one.bucket / %(portions)s)) AS portion,
        extract(epoch FROM kept.next_at - statement_timestamp())::float8 AS ahead
    FROM campaigns_run run
    JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
    JOIN wecom_channelaccount account ON account.id = broadcast.channel_account_id
    LEFT JOIN campaigns_channelrate kept ON kept.account_id = account.id
    CROSS JOIN LATERAL (
        SELECT greatest(1, %(used)s * coalesce(
            nullif(account.rate_burst, 0), account.rate_per_second))::float8 AS bucket
    ) full_one
    CROSS JOIN LATERAL (
        SELECT due_at FROM campaigns_dispatch
        WHERE run_id = run.id AND status IN ('pending', 'leased')
          AND due_at <= statement_timestamp()
        ORDER BY due_at, id LIMIT 1
    ) first
    WHERE run.status IN ('sending', 'cancelling')
      AND (run.held_until IS NULL OR run.held_until <= statement_timestamp())
      AND (run.status = 'cancelling' OR (broadcast.status = 'running' AND account.is_active))
), chosen AS MATERIALIZED (
    SELECT candidate.*, runs.status AS run_status, runs.account_id, runs.rate, runs.bucket,
        runs.portion, runs.is_limited, runs.is_whole,
        CASE WHEN runs.is_limited THEN (
            SELECT cardinality(recipient_ids) FROM campaigns_dispatch WHERE id = candidate.id
        ) END AS size
    FROM (SELECT * FROM runs ORDER BY due_at, id) runs
    CROSS JOIN LATERAL (
        SELECT id, has_tokens, status = 'leased' AND token IS NOT NULL AS was_lost,
            status = 'leased' AND attempted_at IS NOT NULL AS may_have_arrived
        FROM campaigns_dispatch dispatch
        WHERE run_id = runs.id AND status IN ('pending', 'leased')
          AND due_at <= statement_timestamp()
          AND (runs.status = 'sending' OR status = 'leased')
          AND (NOT runs.is_limited OR has_tokens OR runs.ahead <= CASE WHEN runs.is_whole THEN 0
              ELSE (runs.bucket - runs.portion) / runs.rate END)
          AND (NOT runs.is_one_at_a_time OR NOT EXISTS (
              SELECT FROM campaigns_dispatch other
              WHERE other.run_id = runs.id AND other.sender = dispatch.sender
                AND (other.status = 'leased' AND other.id <> dispatch.id
                     OR other.status = 'pending' AND other.id < dispatch.id
                        AND other.due_at <= statement_timestamp())))
        ORDER BY due_at, id LIMIT 1
        FOR NO KEY UPDATE OF dispatch SKIP LOCKED
    ) candidate
    LIMIT 1
), due AS (
    SELECT *, is_limited AND NOT (is_whole OR may_have_arrived OR size <= portion) AS is_oversized,
        is_limited AND NOT has_tokens AND (is_whole OR may_have_arrived OR size <= portion)
            AS needs_tokens
    FROM chosen
), tokens AS (
    UPDATE campaigns_channelrate kept SET
        next_at = greatest(kept.next_at, clock_timestamp())
            + make_interval(secs => due.size / due.rate)
    FROM due
    WHERE kept.account_id = due.account_id AND due.needs_tokens
      AND extract(epoch FROM kept.next_at - clock_timestamp())::float8
          <= (due.bucket - least(due.size, due.bucket)) / due.rate
    RETURNING kept.account_id
)
UPDATE campaigns_dispatch dispatch SET
    status = 'leased',
    token = %(token)s,
    due_at = statement_timestamp() + make_interval(secs => %(lease)s),
    attempt_count = dispatch.attempt_count + 1,
    lost_count = dispatch.lost_count + due.was_lost::int,
    has_tokens = dispatch.has_tokens OR due.needs_tokens
FROM due
WHERE dispatch.id = due.id AND (NOT due.needs_tokens OR EXISTS (SELECT FROM tokens))
RETURNING dispatch.id, dispatch.run_id, dispatch.recipient_ids, dispatch.arm, dispatch.sender,
    dispatch.attempt_count, dispatch.lost_count, dispatch.attempted_at, due.was_lost,
    due.may_have_arrived, due.run_status = 'cancelling', due.is_oversized
"""

# The last look before the call: who lost the lease calls nobody. Until then nothing of it was
# handed over.
BEGIN_CALL = """
UPDATE campaigns_dispatch SET
    attempted_at = coalesce(attempted_at, clock_timestamp()),
    has_tokens = FALSE
WHERE id = %(id)s AND token = %(token)s AND status = 'leased' AND due_at > clock_timestamp()
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

# Most recipients of a dispatch end alike, and the few others are named with what became of them:
# the list of everybody is in the row already. The range of ids keeps this an index range scan,
# however large the table and old its statistics.
RECORD = """
WITH mine AS (
    UPDATE campaigns_dispatch SET
        status = %(status)s,
        token = NULL,
        due_at = statement_timestamp() + make_interval(secs => %(ask_in)s),
        last_error = %(code)s,
        remote_id = %(remote_id)s,
        submitted_at = coalesce(%(accepted_at)s, statement_timestamp()),
        delivered_count = %(delivered)s,
        awaiting_count = %(awaiting_owner)s,
        failed_count = %(failed)s,
        suppressed_count = %(suppressed)s,
        cancelled_count = %(cancelled)s
    WHERE id = %(id)s AND token = %(token)s AND status = 'leased'
    RETURNING recipient_ids
)
UPDATE campaigns_delivery delivery SET
    status = {status}, reason = {reason},
    settled_at = CASE {status} WHEN 'awaiting_owner' THEN NULL ELSE statement_timestamp() END
FROM mine, unnest(mine.recipient_ids) AS recipient (id) {others}
WHERE delivery.run_id = %(run)s
  AND delivery.recipient_id = recipient.id
  AND delivery.recipient_id BETWEEN %(first)s AND %(last)s
"""

ALL_ALIKE = RECORD.format(status="%(usual_status)s", reason="%(usual_reason)s", others="")

SOME_OTHERWISE = RECORD.format(
    status="coalesce((%(statuses)s::text[])[other.number], %(usual_status)s)",
    reason="coalesce((%(reasons)s::text[])[other.number], %(usual_reason)s)",
    others="""
LEFT JOIN unnest(%(ids)s::bigint[], %(numbers)s::int[]) AS other (recipient_id, number)
    ON other.recipient_id = recipient.id""",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on one dispatch. ``was_lost``: who had it before was never heard of again;
    ``may_have_arrived``: an earlier call may have reached the platform; ``is_oversized``: it is
    larger than its account's limit lets through at once."""

    token: UUID
    ends_at: float  # by the monotonic clock of this process, never later than in the database
    dispatch_id: int
    run_id: int
    recipient_ids: list[int]
    arm: int | None
    sender: str
    attempt_count: int
    lost_count: int
    attempted_at: datetime | None
    was_lost: bool
    may_have_arrived: bool
    is_cancelled: bool
    is_oversized: bool

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


@dataclass(frozen=True, slots=True)
class Taken:
    """What the platform calls what it took, when it did, and in how many seconds to ask it."""

    remote_id: str = ""
    accepted_at: datetime | None = None
    ask_in: float = 0.0


NOT_NAMED = Taken()


def claim_dispatch() -> Claim | None:
    """Lease a dispatch of the run of which something has been due longest."""
    ends_at = time.monotonic() + settings.LEASE_SECONDS
    token = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "token": token,
                "lease": settings.LEASE_SECONDS,
                "one_at_a_time": one_at_a_time_kinds(),
                "whole": confirming_kinds(),
                "used": USED_SHARE,
                "portions": PORTIONS,
            },
        )
        row = cursor.fetchone()
    return None if row is None else Claim(token, ends_at, *row)


def begin_call(claim: Claim) -> bool:
    """Note that the platform is about to be called; False when the lease was lost."""
    with connection.cursor() as cursor:
        cursor.execute(BEGIN_CALL, {"id": claim.dispatch_id, "token": claim.token})
        return bool(cursor.rowcount)


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
                "code": code[:60],
            },
        )


def record_results(
    claim: Claim,
    results: Mapping[int, Result],
    *,
    code: str = "",
    status: str = DispatchStatus.DONE.value,
    taken: Taken = NOT_NAMED,
) -> bool:
    """The results of all recipients of a dispatch at once; False when the lease was lost and
    nothing was written."""
    alike: dict[Result, list[int]] = {}
    for recipient_id, result in results.items():
        alike.setdefault(result, []).append(recipient_id)
    counts = dict.fromkeys(DeliveryStatus.values, 0)
    for result, recipient_ids in alike.items():
        counts[result.status] += len(recipient_ids)
    usual = max(alike, key=lambda result: len(alike[result]))
    del alike[usual]
    with connection.cursor() as cursor:
        cursor.execute(
            SOME_OTHERWISE if alike else ALL_ALIKE,
            {
                **counts,
                "id": claim.dispatch_id,
                "token": claim.token,
                "run": claim.run_id,
                "status": status,
                "code": code[:60],
                "remote_id": taken.remote_id,
                "accepted_at": taken.accepted_at,
                "ask_in": taken.ask_in,
                "usual_status": usual.status,
                "usual_reason": usual.reason,
                "ids": list(chain.from_iterable(alike.values())),
                "numbers": [n for n, group in enumerate(alike.values(), 1) for _ in group],
                "statuses": [result.status for result in alike],
                "reasons": [result.reason for result in alike],
                "first": claim.recipient_ids[0],
                "last": claim.recipient_ids[-1],
            },
        )
        return bool(cursor.rowcount == len(claim.recipient_ids))
