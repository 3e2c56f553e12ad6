"""One call of the platform that hands over chats or customers, and what it answered, item by item.

Nobody's row is locked during the call. What it did when no answer came is looked up first.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import InterfaceError, transaction
from django.db import connection as database

from communities.models import OwnershipTransfer
from communities.rules.transfer_answers import (
    OUT_OF_SIGHT,
    RECEIVER_FAULTS,
    Answer,
    Sent,
    failed,
    looking_up,
    refused_for_now,
    verdict_on_answer,
    verdict_on_refused_call,
)
from communities.rules.transfer_verdicts import (
    Verdict,
)
from communities.rules.transfers import ItemState, Route, Subject
from communities.services.transfers.claims import (
    Batch,
    Claimed,
    Refused,
    Unfit,
    claim_batch,
    write_answers,
)
from communities.services.transfers.quotas import (
    count_quotas,
    exhaust_quotas,
    give_back_quotas,
)
from communities.services.transfers.setting_aside import set_aside_receiver, set_aside_things
from communities.services.transfers.settling import lock_transfers, settle_transfers
from scrm.accounts.models import Staff
from scrm.wecom.client import WecomClient, client_for
from scrm.wecom.client.codes import code_of
from scrm.wecom.client.errors import InvalidArguments, Kind, Outcome, WecomRefusal
from scrm.wecom.client.results import TransferItem as Told
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState, ReadKind
from scrm.wecom.services.connections import mark_connected, mark_failing
from scrm.wecom.services.platform_clock import platform_day, platform_now
from scrm.wecom.services.reading import request_reads

logger = logging.getLogger(__name__)

#: A call begins within this part of the lease or not at all: it takes most of the rest.
BEGUN_WITHIN = 0.1
PARKED = 60.0  # seconds; the shortest block of the platform
CLOSED = 300.0  # a wrong secret repeated many times blocks our address
OUT_OF_BREATH = 10.0
READ_AFTER = timedelta(seconds=3)

PARK = """
WITH waiting AS MATERIALIZED (
    SELECT id FROM communities_transferitem
    WHERE channel_account_id = %(account)s AND state = 'queued' AND subject = %(subject)s
      AND (due_at IS NULL OR due_at < statement_timestamp() + make_interval(secs => %(wait)s))
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE communities_transferitem item SET
    due_at = statement_timestamp() + make_interval(secs => %(wait)s)
FROM waiting
WHERE item.id = waiting.id
"""


def send_batch(connection: WecomConnection) -> bool:
    """Send the oldest items of one company that may be sent; whether there were any."""
    claim = claim_batch(connection)
    claimed_at = time.monotonic()
    if claim is None:
        return False
    if isinstance(claim, Unfit):
        set_aside_things(claim.reasons)
        return True
    if isinstance(claim, Refused):
        home, receiver_id = connection.enterprise_id, claim.receiver_id
        set_aside_receiver(home, receiver_id, subject=claim.subject, why=claim.why)
        return True
    if not claim.items:  # the day's share went to others meanwhile
        return True
    verdicts = _handed_over(connection, claim, claimed_at)
    _record(connection, claim, verdicts)
    return True


# --- The call -------------------------------------------------------------------------------------


def _handed_over(
    connection: WecomConnection, batch: Batch, claimed_at: float
) -> dict[int, Verdict]:
    people = Staff.objects.in_bulk([batch.receiver_id, batch.items[0].giver_id])
    receiver, giver = people[batch.receiver_id], people[batch.items[0].giver_id]
    message = _message(batch)
    try:
        with client_for(connection) as client:
            if time.monotonic() - claimed_at > settings.LEASE_SECONDS * BEGUN_WITHIN:
                return {item.id: _not_sent(batch, item) for item in batch.items}
            told = _ask(client, batch, giver.external_id, receiver.external_id, message)
    except WecomRefusal as refusal:
        return _after_refusal(connection, batch, refusal, receiver)
    except InvalidArguments as error:
        answer = Answer(accepted=False, code=0, message=f"{error.field} {error.message}")
        return _each(batch, answer)
    except Exception as error:
        if not database.is_usable():
            database.close()
            raise InterfaceError("The database went away during a hand-over.") from error
        logger.exception("A hand-over broke off.", extra={"connection_id": connection.pk})
        return {item.id: looking_up() for item in batch.items}
    if connection.state == ConnectionState.FAILING:
        mark_connected(connection.pk)
    return _on_each(connection, batch, told)


def _ask(
    client: WecomClient, batch: Batch, giver: str, receiver: str, message: str
) -> tuple[Told, ...]:
    refs = [item.ref for item in batch.items]
    if batch.subject == Subject.CHAT:
        if batch.route == Route.RESIGNED:
            return client.transfer_groups_resigned(refs, receiver)
        return client.transfer_groups_on_job(refs, receiver)
    if batch.route == Route.RESIGNED:
        return client.transfer_customers_resigned(refs, giver=giver, taker=receiver)
    return client.transfer_customers(refs, giver=giver, taker=receiver, message=message)


def _message(batch: Batch) -> str:
    if batch.subject != Subject.CUSTOMER or batch.route == Route.RESIGNED:
        return ""
    transfer = OwnershipTransfer.objects.only("message").get(pk=batch.items[0].transfer_id)
    return transfer.message


# --- What it means --------------------------------------------------------------------------------


def _on_each(
    connection: WecomConnection, batch: Batch, told: tuple[Told, ...]
) -> dict[int, Verdict]:
    now = platform_now(connection)
    answers = {each.id: each for each in told}
    verdicts = {}
    for item in batch.items:
        said = answers[item.ref]
        answer = Answer(said.accepted, said.code, said.message, code_of(said.code) is not None)
        verdicts[item.id] = verdict_on_answer(_sent(batch, item), answer, now=now)
    return verdicts


def _after_refusal(
    connection: WecomConnection, batch: Batch, refusal: WecomRefusal, receiver: Staff
) -> dict[int, Verdict]:
    logger.warning(
        "The platform refused a hand-over.",
        extra={"api": refusal.api, "errcode": refusal.code, "count": len(batch.items)},
    )
    answer = Answer(False, refusal.code, refusal.message, code_of(refusal.code) is not None)
    if refusal.outcome == Outcome.UNKNOWN:
        return {item.id: looking_up(answer) for item in batch.items}
    if wait := _wait(refusal):
        if refusal.kind in {Kind.RATE, Kind.CONFIG}:
            _park(connection, batch, wait)
        if refusal.kind == Kind.CONFIG:
            mark_failing(connection.pk, refusal.code)
        waiting = {item.id: _sent(batch, item) for item in batch.items}
        return {id_: refused_for_now(sent, answer, wait=wait) for id_, sent in waiting.items()}
    if refusal.code in RECEIVER_FAULTS:
        request_reads(connection, ReadKind.STAFF, [receiver.external_id])
    return _each(batch, answer)


def _wait(refusal: WecomRefusal) -> float:
    """After how many seconds the same call may go well; 0 if it is not a matter of time."""
    if refusal.kind == Kind.RATE:
        return refusal.retry_after or PARKED
    if refusal.kind == Kind.CONFIG and refusal.code not in RECEIVER_FAULTS | OUT_OF_SIGHT:
        return CLOSED
    if refusal.outcome == Outcome.RETRYABLE:
        return refusal.retry_after or OUT_OF_BREATH
    return 0


def _each(batch: Batch, answer: Answer) -> dict[int, Verdict]:
    alone = len(batch.items) == 1
    if alone and not answer.code:
        return {batch.items[0].id: failed(answer)}
    return {
        item.id: verdict_on_refused_call(_sent(batch, item), answer, alone=alone)
        for item in batch.items
    }


def _not_sent(batch: Batch, item: Claimed) -> Verdict:
    """The lease is nearly over before the call has begun: hand it back."""
    return refused_for_now(_sent(batch, item), Answer(accepted=False, code=0), wait=0)


def _sent(batch: Batch, item: Claimed) -> Sent:
    return Sent(
        subject=batch.subject,
        route=batch.route,
        sent_at=batch.sent_at,
        attempt_count=item.attempt_count,
        reason=item.reason,
    )


def _park(connection: WecomConnection, batch: Batch, wait: float) -> None:
    """Let nothing else of this kind try meanwhile."""
    named: dict[str, Any] = {
        "account": connection.account_id,
        "subject": batch.subject,
        "wait": wait,
    }
    with database.cursor() as cursor:
        cursor.execute(PARK, named)


# --- Writing it down ------------------------------------------------------------------------------


@transaction.atomic
def _record(connection: WecomConnection, batch: Batch, verdicts: Mapping[int, Verdict]) -> None:
    transfer_ids = {item.transfer_id for item in batch.items}
    lock_transfers(transfer_ids)
    written = write_answers(verdicts, token=batch.token)
    ours = [item for item in batch.items if item.id in written]
    if len(ours) < len(batch.items):
        logger.warning("Items are in other hands.", extra={"connection_id": connection.pk})
    if batch.subject == Subject.CHAT:
        _settle_quotas(connection, batch, ours, verdicts)
        begun = [item.ref for item in ours if verdicts[item.id].state == ItemState.ACCEPTED]
        request_reads(connection, ReadKind.CHAT, begun, delay=READ_AFTER)
    else:
        gone = [item.ref for item in ours if verdicts[item.id].state == ItemState.GONE]
        request_reads(connection, ReadKind.CUSTOMER, gone)
    settle_transfers(transfer_ids)


def _settle_quotas(
    connection: WecomConnection,
    batch: Batch,
    items: list[Claimed],
    verdicts: Mapping[int, Verdict],
) -> None:
    """What the platform did not take counts no more; what it took tomorrow counts there."""
    account_id, undone = connection.account_id, {ItemState.QUEUED, ItemState.FAILED}
    unused = Counter(each.giver_id for each in items if verdicts[each.id].state in undone)
    give_back_quotas(account_id, unused, day=batch.day)
    today = platform_day(platform_now(connection))
    if today != batch.day:
        done = Counter(each.giver_id for each in items if verdicts[each.id].state not in undone)
        count_quotas(account_id, done, day=today)
    spent = {each.giver_id for each in items if verdicts[each.id].day_is_spent}
    exhaust_quotas(account_id, spent, day=today)
