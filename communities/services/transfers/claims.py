"""Leases on items that are being sent, and the writing down of what became of them.

Leases are by the database's clock; a worker that died leaves items whose lease runs out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection as database
from django.db import transaction

from communities.rules.transfer_verdicts import (
    ALONE_AFTER,
    Verdict,
)
from communities.rules.transfers import Subject
from communities.services.transfers.eligibility import refusals_of
from communities.services.transfers.quotas import spent_givers, take_quotas
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.limits import MAX_TRANSFER
from scrm.wecom.services.platform_clock import platform_day, platform_now

# What may be sent now. Chats of somebody whose share of the day is used up rest until the day of
# the platform has changed, so they stay due.
_DUE = """
item.channel_account_id = %(account)s AND item.state = 'queued'
  AND (item.due_at IS NULL OR item.due_at <= statement_timestamp())
  AND NOT (item.subject = 'chat' AND item.giver_id = ANY(%(spent)s))
"""

SEED = f"""
SELECT item.subject, item.route, item.giver_id, item.receiver_id, item.transfer_id,
    item.reason = 'one_by_one' OR item.attempt_count >= %(alone_after)s, item.id
FROM communities_transferitem item
WHERE {_DUE}
ORDER BY item.id
LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608 - nothing of it comes from outside

# A call has one receiver; for customers also one giver and one message.
BATCH = f"""
SELECT item.id, item.transfer_id, item.giver_id, item.reason, item.attempt_count + 1,
    coalesce(chat.external_id, item.external_userid), chat.owner_id, chat.dissolved_at IS NOT NULL
FROM communities_transferitem item LEFT JOIN communities_groupchat chat ON chat.id = item.chat_id
WHERE {_DUE}
  AND item.subject = %(subject)s AND item.route = %(route)s AND item.receiver_id = %(receiver)s
  AND (item.subject = 'chat'
       OR item.giver_id = %(giver)s AND item.transfer_id = %(transfer)s)
  AND CASE WHEN %(alone)s THEN item.id = %(seed)s
      ELSE item.reason <> 'one_by_one' AND item.attempt_count < %(alone_after)s END
ORDER BY item.id
LIMIT %(most)s
FOR NO KEY UPDATE OF item SKIP LOCKED
"""  # noqa: S608 - likewise

TAKE = """
UPDATE communities_transferitem item SET
    state = 'sending', reason = '', platform_code = NULL, platform_message = '',
    token = %(token)s, due_at = statement_timestamp() + make_interval(secs => %(lease)s),
    attempt_count = least(item.attempt_count + 1, 1000), sent_at = %(now)s
WHERE item.id = ANY(%(ids)s)
"""

# Of whom the worker was about to speak when it died, nobody knows.
LOSE = """
WITH lost AS MATERIALIZED (
    SELECT id FROM communities_transferitem
    WHERE state = 'sending' AND due_at <= statement_timestamp()
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE communities_transferitem item SET
    state = 'unknown', reason = 'looking_up', token = NULL, due_at = statement_timestamp()
FROM lost
WHERE item.id = lost.id
"""

_WRITE = """
UPDATE communities_transferitem item SET
    state = given.state, reason = given.reason, token = NULL,
    due_at = statement_timestamp() + make_interval(secs => given.wait),
    route = CASE given.route WHEN '' THEN item.route ELSE given.route END,
    attempt_count = greatest(item.attempt_count - given.uncounted, 0),
    accepted_at = coalesce(given.accepted_at, item.accepted_at),
    takeover_at = coalesce(given.takeover_at, item.takeover_at),
    verified_at = coalesce(given.verified_at, item.verified_at){more}
FROM unnest(
    %(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[], %(waits)s::float8[],
    %(routes)s::text[], %(uncounted)s::int[], %(codes)s::int[], %(messages)s::text[],
    %(accepted)s::timestamptz[], %(takeover)s::timestamptz[], %(verified)s::timestamptz[]
) AS given (id, state, reason, wait, route, uncounted, code, message, accepted_at, takeover_at,
            verified_at)
WHERE item.id = given.id
  AND (%(any_lease)s OR item.token IS NOT DISTINCT FROM %(token)s)
  AND item.state = ANY(%(from)s)
RETURNING item.id
"""
WRITE = _WRITE.format(more="")
WRITE_ANSWERS = _WRITE.format(more=", platform_code = given.code, platform_message = given.message")

LONGEST_MESSAGE = 200


class Claimed(NamedTuple):
    """One item of a call. ``ref``: what the platform calls the chat or the customer."""

    id: int
    transfer_id: int
    giver_id: int
    reason: str
    attempt_count: int
    ref: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call hands over. ``sent_at`` and ``day`` are the platform's."""

    token: UUID
    subject: str
    route: str
    receiver_id: int
    sent_at: datetime
    day: date
    items: list[Claimed]


@dataclass(frozen=True, slots=True)
class Unfit:
    """Queued items that must not be sent any more, and why."""

    reasons: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody who may not receive things of this subject any more."""

    receiver_id: int
    subject: str
    why: str


class _Row(NamedTuple):
    id: int
    transfer_id: int
    giver_id: int
    reason: str
    attempt_count: int
    ref: str
    owner_id: int | None
    is_dissolved: bool

    @property
    def claimed(self) -> Claimed:
        return Claimed(
            self.id, self.transfer_id, self.giver_id, self.reason, self.attempt_count, self.ref
        )


@transaction.atomic
def claim_batch(connection: WecomConnection) -> Batch | Unfit | Refused | None:
    """The oldest items that may be sent, at most as many as go into one call, with their part of
    the day's share taken. What must not be sent any more is named instead."""
    now = platform_now(connection)
    account_id, day = connection.account_id, platform_day(now)
    named: dict[str, Any] = {
        "account": account_id,
        "spent": spent_givers(account_id, day=day),
        "alone_after": ALONE_AFTER,
        "most": MAX_TRANSFER,
    }
    with database.cursor() as cursor:
        cursor.execute(SEED, named)
        if (seed := cursor.fetchone()) is None:
            return None
        keys = ("subject", "route", "giver", "receiver", "transfer", "alone", "seed")
        named |= dict(zip(keys, seed, strict=True))
        cursor.execute(BATCH, named)
        rows = [_Row(*row) for row in cursor.fetchall()]
    subject, route, receiver_id = str(seed[0]), str(seed[1]), int(seed[3])
    refusals = refusals_of(connection.enterprise_id, [receiver_id], subject=subject)
    if receiver_id in refusals:
        return Refused(receiver_id, subject, refusals[receiver_id])
    if unfit := {row.id: why for row in rows if (why := _why_not(row, receiver_id))}:
        return Unfit(unfit)
    if subject == Subject.CHAT:
        rows = _within_quotas(account_id, rows, day=day)
    batch = Batch(
        token=uuid4(),
        subject=subject,
        route=route,
        receiver_id=receiver_id,
        sent_at=now,
        day=day,
        items=[row.claimed for row in rows],
    )
    _take(batch)
    return batch


def _why_not(row: _Row, receiver_id: int) -> str:
    if row.is_dissolved:
        return "chat_is_gone"
    moved_on = row.owner_id is not None and row.owner_id not in {row.giver_id, receiver_id}
    return "owner_changed" if moved_on else ""


def _within_quotas(account_id: int, rows: Sequence[_Row], *, day: date) -> list[_Row]:
    left = take_quotas(account_id, Counter(row.giver_id for row in rows), day=day)
    taken = []
    for row in rows:
        if left[row.giver_id] > 0:
            left[row.giver_id] -= 1
            taken.append(row)
    return taken


def _take(batch: Batch) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            TAKE,
            {
                "token": batch.token,
                "lease": settings.LEASE_SECONDS,
                "now": batch.sent_at,
                "ids": [item.id for item in batch.items],
            },
        )


def lose_expired() -> int:
    """Items whose worker died while it sent them are of unknown outcome; how many."""
    with database.cursor() as cursor:
        cursor.execute(LOSE)
        return int(cursor.rowcount)


def write_answers(verdicts: Mapping[int, Verdict], *, token: UUID) -> set[int]:
    """What the platform said about items that were sent under this lease; those that were still
    held by it."""
    return _written(WRITE_ANSWERS, verdicts, token=token, states=["sending"])


def write_findings(
    verdicts: Mapping[int, Verdict], *, token: UUID | None = None, any_lease: bool = False
) -> set[int]:
    """What was found out about items that were sent; those that it was new for. ``any_lease``:
    also where somebody is asking the platform about them."""
    states = ["unknown", "accepted"]
    return _written(WRITE, verdicts, token=token, states=states, any_lease=any_lease)


def _written(
    statement: str,
    verdicts: Mapping[int, Verdict],
    *,
    token: UUID | None,
    states: Collection[str],
    any_lease: bool = False,
) -> set[int]:
    if not verdicts:
        return set()
    ids, found = sorted(verdicts), [verdicts[id_] for id_ in sorted(verdicts)]
    named: dict[str, Any] = {
        "ids": ids,
        "states": [each.state for each in found],
        "reasons": [each.reason for each in found],
        "waits": [None if each.wait is None else float(each.wait) for each in found],
        "routes": [each.route for each in found],
        "uncounted": [int(not each.counts) for each in found],
        "codes": [each.code for each in found],
        "messages": [each.message[:LONGEST_MESSAGE] for each in found],
        "accepted": [each.accepted_at for each in found],
        "takeover": [each.takeover_at for each in found],
        "verified": [each.verified_at for each in found],
        "token": token,
        "any_lease": any_lease,
        "from": list(states),
    }
    with database.cursor() as cursor:
        cursor.execute(statement, named)
        return {id_ for (id_,) in cursor.fetchall()}
