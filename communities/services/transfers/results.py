"""What became of customers whose hand-over has begun: asked for hour by hour, or told by a
callback, because the customer has a day to say no."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import OperationalError, transaction
from django.db import connection as database

from communities.models import TransferItem
from communities.rules.transfer_results import (
    ASKED_AGAIN,
    SAME_TIME,
    Handed,
    Result,
    settled_by_event,
    verdict_on_result,
)
from communities.rules.transfer_verdicts import (
    Verdict,
)
from communities.rules.transfers import HOLDING, ItemState, Route, Subject
from communities.services.transfers.claims import write_findings
from communities.services.transfers.settling import lock_transfers, settle_transfers
from communities.signals import customers_settled
from scrm.accounts.models import Staff
from scrm.wecom.client import WecomClient, client_for
from scrm.wecom.client.errors import InvalidArguments, Kind, WecomRefusal
from scrm.wecom.client.results import Page, TransferResult
from scrm.wecom.models import WecomConnection
from scrm.wecom.services.platform_clock import platform_now

logger = logging.getLogger(__name__)

SETTLED = frozenset({ItemState.VERIFIED, ItemState.REFUSED, ItemState.FAILED, ItemState.GONE})
LATER = 60.0  # seconds; after a refusal that may pass
LEASES = 2  # so many times as long as a lease of others: there may be many pages

# Everything between two colleagues at once, as soon as something of it is due.
CLAIM = """
WITH seed AS (
    SELECT giver_id, receiver_id, route FROM communities_transferitem
    WHERE state IN ('unknown', 'accepted') AND due_at <= statement_timestamp()
      AND subject = 'customer' AND channel_account_id = %(account)s
    ORDER BY due_at LIMIT 1
), due AS MATERIALIZED (
    SELECT item.id FROM communities_transferitem item JOIN seed USING (giver_id, receiver_id, route)
    WHERE item.channel_account_id = %(account)s AND item.subject = 'customer'
      AND item.state IN ('unknown', 'accepted')
      AND (item.token IS NULL OR item.due_at <= statement_timestamp())
    ORDER BY item.id
    FOR NO KEY UPDATE OF item SKIP LOCKED
)
UPDATE communities_transferitem item SET
    token = %(token)s, due_at = statement_timestamp() + make_interval(secs => %(lease)s)
FROM due
WHERE item.id = due.id
RETURNING item.id, item.transfer_id, item.giver_id, item.receiver_id, item.route,
    item.external_userid, item.state, item.attempt_count, item.platform_code, item.sent_at,
    item.accepted_at, item.takeover_at
"""

GIVE_BACK = """
UPDATE communities_transferitem SET
    token = NULL, due_at = statement_timestamp() + make_interval(secs => %(wait)s)
WHERE id = ANY(%(ids)s) AND token = %(token)s
"""


class Row(NamedTuple):
    id: int
    transfer_id: int
    giver_id: int
    receiver_id: int
    route: str
    external_userid: str
    state: str
    attempt_count: int
    code: int | None
    sent_at: datetime
    accepted_at: datetime | None
    takeover_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailedTakeover:
    """A callback: the customer refused, or the receiver's list is full (``reason``)."""

    receiver_userid: str
    external_userid: str
    reason: str
    at: datetime


# --- Asking ---------------------------------------------------------------------------------------


def ask_for_results(connection: WecomConnection) -> int:
    """Ask what became of the customers between two colleagues, where that is due; of how many."""
    token = uuid4()
    rows = _claim(connection, token)
    if not rows:
        return 0
    asked_at = platform_now(connection)
    try:
        results = _results(connection, rows)
    except (WecomRefusal, InvalidArguments) as refusal:
        logger.warning(
            "The platform does not say what became of customers.",
            extra={"connection_id": connection.pk, "errcode": getattr(refusal, "code", 0)},
        )
        return _without_answer(rows, refusal, token=token, now=asked_at)
    now = min(asked_at, platform_now(connection))
    verdicts = {
        row.id: verdict_on_result(_handed(row), results.get(row.external_userid), now=now)
        for row in rows
    }
    try:
        _settle(verdicts, token=token, transfer_ids={row.transfer_id for row in rows})
    except OperationalError:  # of two in each other's way one gives in, and asks again
        _give_back([row.id for row in rows], token=token, wait=LATER)
        raise
    return len(rows)


def _give_back(ids: Sequence[int], *, token: UUID, wait: float) -> None:
    with database.cursor() as cursor:
        cursor.execute(GIVE_BACK, {"ids": list(ids), "token": token, "wait": wait})


def _claim(connection: WecomConnection, token: UUID) -> list[Row]:
    named: dict[str, Any] = {
        "account": connection.account_id,
        "token": token,
        "lease": settings.LEASE_SECONDS * LEASES,
    }
    with database.cursor() as cursor:
        cursor.execute(CLAIM, named)
        return [Row(*row) for row in cursor.fetchall()]


def _results(connection: WecomConnection, rows: Sequence[Row]) -> dict[str, Result]:
    """The last hand-over between these two of each of these customers."""
    people = Staff.objects.in_bulk([rows[0].giver_id, rows[0].receiver_id])
    giver = people[rows[0].giver_id].external_id
    taker = people[rows[0].receiver_id].external_id
    wanted = {row.external_userid for row in rows}
    found: dict[str, Result] = {}
    cursor, seen = "", {""}
    with client_for(connection) as client:
        while True:
            page = _page(client, rows[0].route, giver=giver, taker=taker, cursor=cursor)
            for each in page.items:
                if each.external_userid in wanted:
                    found[each.external_userid] = Result(each.status, each.takeover_at)
            cursor = page.next_cursor
            if cursor in seen:
                return found
            seen.add(cursor)


def _page(
    client: WecomClient, route: str, *, giver: str, taker: str, cursor: str
) -> Page[TransferResult]:
    if route == Route.RESIGNED:
        return client.transfer_customers_resigned_result(giver=giver, taker=taker, cursor=cursor)
    return client.transfer_customers_result(giver=giver, taker=taker, cursor=cursor)


def _handed(row: Row) -> Handed:
    return Handed(
        state=row.state,
        attempt_count=row.attempt_count,
        code=row.code,
        sent_at=row.sent_at,
        accepted_at=row.accepted_at if row.state == ItemState.ACCEPTED else None,
        takeover_at=row.takeover_at,
    )


def _without_answer(rows: Sequence[Row], refusal: Exception, *, token: UUID, now: datetime) -> int:
    """Nothing is known: later. What the platform never tells is given up after some days."""
    wait, stays = LATER, True
    if isinstance(refusal, WecomRefusal):
        stays = refusal.kind in {Kind.STALE, Kind.RULE, Kind.CALLER}
        wait = refusal.retry_after or (ASKED_AGAIN if stays else LATER)
    given_up = {}
    for row in rows:
        if stays and row.state == ItemState.ACCEPTED:
            verdict = verdict_on_result(_handed(row), None, now=now)
            if verdict.state in SETTLED:
                given_up[row.id] = verdict
    if given_up:
        _settle(given_up, token=token, transfer_ids={row.transfer_id for row in rows})
    _give_back([row.id for row in rows if row.id not in given_up], token=token, wait=wait)
    return len(rows)


# --- Writing it down ------------------------------------------------------------------------------


@transaction.atomic
def _settle(verdicts: Mapping[int, Verdict], *, token: UUID, transfer_ids: Collection[int]) -> None:
    lock_transfers(transfer_ids)
    written = write_findings(verdicts, token=token)
    _announce(verdicts, written)
    settle_transfers(transfer_ids)


def _announce(verdicts: Mapping[int, Verdict], written: Collection[int]) -> None:
    settled = sorted(id_ for id_ in written if verdicts[id_].state in SETTLED)
    if settled:
        customers_settled.send(sender=TransferItem, item_ids=settled)


# --- Told by a callback ---------------------------------------------------------------------------


@transaction.atomic
def settle_failed_takeovers(
    connection: WecomConnection, told: Sequence[FailedTakeover]
) -> set[FailedTakeover]:
    """End the items that these callbacks are about; those callbacks that were about one."""
    items = (
        TransferItem.objects.filter(
            channel_account=connection.account_id,
            external_userid__in={each.external_userid for each in told},
            subject=Subject.CUSTOMER,
            state__in=sorted(HOLDING),
        )
        .exclude(sent_at=None)
        .select_related("receiver")
    )
    verdicts, transfer_ids, heard = {}, set(), set()
    for item in items.order_by("pk"):
        assert item.receiver is not None
        assert item.sent_at is not None
        userid = item.receiver.external_id.lower()
        for each in told:
            verdict = settled_by_event(each.reason)
            same = (each.external_userid, each.receiver_userid.lower())
            if verdict is None or same != (item.external_userid, userid):
                continue
            if each.at > item.sent_at - SAME_TIME:
                verdicts[item.pk] = verdict
                transfer_ids.add(item.transfer_id)
                heard.add(each)
    if verdicts:
        lock_transfers(transfer_ids)
        _announce(verdicts, write_findings(verdicts, any_lease=True))
        settle_transfers(transfer_ids)
    return heard
