"""Asking the platform what became of what waits for a colleague's confirmation.

Seldom: one call while nothing was confirmed, the results page by page afterwards. What is stopped
or too old is withdrawn there before its last look, so that nobody sends it any more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError

from campaigns.models import Dispatch
from campaigns.rules.confirming import (
    LEFT_OUT_AFTER,
    STOPPED_AFTER,
    UNCONFIRMED_AFTER,
    is_expired,
    next_look,
)
from campaigns.rules.status import (
    BroadcastStatus,
    BroadcastTarget,
    DeliveryStatus,
    DispatchStatus,
    RunStatus,
)
from campaigns.selectors.senders import refs_at_platform
from campaigns.services.claiming import Result
from campaigns.services.finishing import finish_run
from campaigns.services.polled_results import Look, claim_awaiting, park_account, record_look
from campaigns.services.reminding import remind_if_asked
from campaigns.services.unconfirmed import keep_unconfirmed_task
from scrm.wecom.client import Kind, Outcome, WecomClient, WecomRefusal, client_for
from scrm.wecom.client.codes import BUSY_SECONDS
from scrm.wecom.client.results import MassMessageResult, MassMessageTask
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState
from scrm.wecom.services.connections import mark_connected, mark_failing
from scrm.wecom.services.platform_clock import platform_now

logger = logging.getLogger(__name__)

SLICE_SECONDS = 5.0
NO_SUCH_TASK = 41047

SHORTLY = timedelta(minutes=1)
CLOSED = timedelta(minutes=5)
SELDOM = timedelta(hours=6)

DELIVERED = Result(DeliveryStatus.DELIVERED.value)
NO_CONTACT = Result(DeliveryStatus.FAILED.value, "no_contact")
OVER_QUOTA = Result(DeliveryStatus.FAILED.value, "over_quota")
LEFT_OUT = Result(DeliveryStatus.FAILED.value, "left_out_by_owner")
EXPIRED = Result(DeliveryStatus.EXPIRED.value, "not_confirmed")

#: WeCom, page 93338. 0 is "not sent".
RESULTS = {1: DELIVERED, 2: NO_CONTACT, 3: OVER_QUOTA}


class Platforms(ExitStack):
    """One session of calls for each account, for as long as a slice lasts."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: dict[int, WecomClient | None] = {}

    def of(self, account_id: int) -> WecomClient | None:
        """None when the account is not connected, or somebody paused its connection."""
        if account_id not in self._clients:
            connection = (
                WecomConnection.objects.exclude(state=ConnectionState.PAUSED)
                .filter(account=account_id)
                .first()
            )
            client = self.enter_context(client_for(connection)) if connection else None
            self._clients[account_id] = client
        return self._clients[account_id]


def poll_due_dispatches(*, limit: int = 100, seconds: float = SLICE_SECONDS) -> bool:
    """Ask about the dispatches that are due, for a short while; whether more may be. Outside a
    transaction."""
    ends_at = time.monotonic() + seconds
    with Platforms() as platforms:
        for _ in range(limit):
            if time.monotonic() >= ends_at:
                return True
            dispatch = claim_awaiting()
            if dispatch is None:
                return False
            _poll_or_put_aside(dispatch, platforms)
    return True


def _poll_or_put_aside(dispatch: Dispatch, platforms: Platforms) -> None:
    account_id = dispatch.run.broadcast.channel_account_id
    client = platforms.of(account_id)
    if client is None:
        record_look(dispatch, Look(CLOSED, code="not_connected"))
        return
    try:
        poll_dispatch(dispatch, client)
    except WecomRefusal as refusal:
        _after_refusal(dispatch, client.connection, refusal)
    except (OperationalError, InterfaceError):
        raise  # the database is away; the lease runs out
    except Exception:
        logger.exception("A look at a message broke.", extra={"dispatch_id": dispatch.pk})
        record_look(dispatch, Look(CLOSED, code="worker_error"))


def poll_dispatch(dispatch: Dispatch, client: WecomClient) -> None:
    """One look, what follows from it, and a reminder if its time has come."""
    connection = client.connection
    now = platform_now(connection)
    submitted_at = dispatch.submitted_at or now
    stops = is_to_stop(dispatch)
    ends = is_expired(now=now, submitted_at=submitted_at)
    if stops or ends:
        _withdraw(client, dispatch)
    task = _task(client, dispatch)
    confirmed_at = dispatch.confirmed_at
    if confirmed_at is None and task is not None and task.status:
        confirmed_at = task.sent_at or now
    sender = task.userid if task is not None else dispatch.sender
    results = _results(client, dispatch, sender) if confirmed_at is not None else {}
    look = Look(
        wait=_wait(dispatch, now, submitted_at, confirmed_at, stops=stops),
        results=results,
        rest=_rest(dispatch, now, confirmed_at, stops=stops, ends=ends),
        submitted_at=submitted_at,
        confirmed_at=confirmed_at,
    )
    if connection.state == ConnectionState.FAILING:
        mark_connected(connection.pk)
    if confirmed_at is None and not (stops or ends):
        look.code = remind_if_asked(dispatch, client, now=now, submitted_at=submitted_at)
    is_settled = record_look(dispatch, look)
    if is_settled:
        finish_run(dispatch.run_id)
    if is_settled or confirmed_at is not None or now - submitted_at >= UNCONFIRMED_AFTER:
        keep_unconfirmed_task(dispatch.run.broadcast_id, now=now)


def is_to_stop(dispatch: Dispatch) -> bool:
    """Asked for by itself, or with its broadcast: also when that ended before the platform's
    answer was written down."""
    run = dispatch.run
    return (
        dispatch.status == DispatchStatus.STOPPING
        or run.status == RunStatus.CANCELLING
        or run.broadcast.status in {BroadcastStatus.HALTED, BroadcastStatus.CANCELLED}
    )


def _wait(
    dispatch: Dispatch,
    now: datetime,
    submitted_at: datetime,
    confirmed_at: datetime | None,
    *,
    stops: bool,
) -> timedelta:
    if stops:
        return SHORTLY
    hours = dispatch.run.broadcast.remind_after_hours
    return next_look(now=now, submitted_at=submitted_at, confirmed_at=confirmed_at, hours=hours)


def _rest(
    dispatch: Dispatch,
    now: datetime,
    confirmed_at: datetime | None,
    *,
    stops: bool,
    ends: bool,
) -> Result | None:
    """What becomes of those the platform does not name; None while it may still name them."""
    waited = None if confirmed_at is None else now - confirmed_at
    if stops and (waited is None or waited >= STOPPED_AFTER):
        halted = dispatch.run.broadcast.status == BroadcastStatus.HALTED
        return Result(DeliveryStatus.CANCELLED.value, "halted" if halted else "stopped")
    if waited is not None and waited >= LEFT_OUT_AFTER:
        return LEFT_OUT
    return EXPIRED if ends and waited is None else None


# --- Reading --------------------------------------------------------------------------------------


def _withdraw(client: WecomClient, dispatch: Dispatch) -> None:
    """Nobody can send it from now on. What the platform does not know needs no withdrawing."""
    try:
        client.cancel_mass_message(dispatch.remote_id)
    except WecomRefusal as refusal:
        if refusal.code != NO_SUCH_TASK:
            raise


def _task(client: WecomClient, dispatch: Dispatch) -> MassMessageTask | None:
    """What the sender is asked to do. Nobody else is asked by a message of ours, so a lone row is
    theirs, even if the directory has renamed them since."""
    rows = client.mass_message_tasks(dispatch.remote_id).items
    if len(rows) == 1:
        return rows[0]
    return next((row for row in rows if row.userid.lower() == dispatch.sender.lower()), None)


def _results(client: WecomClient, dispatch: Dispatch, sender: str) -> dict[int, Result]:
    broadcast = dispatch.run.broadcast
    ids = refs_at_platform(broadcast, dispatch.recipient_ids)
    for_chats = broadcast.target == BroadcastTarget.CHATS
    results = {}
    for row in _rows(client, dispatch.remote_id, sender):
        recipient_id = ids.get(row.chat_id if for_chats else row.external_userid)
        result = RESULTS.get(row.status)
        if recipient_id is not None and result is not None:
            results[recipient_id] = result
    return results


def _rows(client: WecomClient, msgid: str, sender: str) -> Iterator[MassMessageResult]:
    cursor = ""
    while True:
        page = client.mass_message_results(msgid, sender, cursor)
        yield from page.items
        cursor = page.next_cursor
        if not cursor:
            return


def _after_refusal(dispatch: Dispatch, connection: WecomConnection, refusal: WecomRefusal) -> None:
    """The platform said no, or nothing: look again later. What it does not know at all has no
    result any more."""
    code = f"wecom_{refusal.code}" if refusal.code else "no_answer"
    logger.info(
        "The platform told nothing about a message.",
        extra={"dispatch_id": dispatch.pk, "api": refusal.api, "errcode": refusal.code},
    )
    if refusal.code == NO_SUCH_TASK:
        gone = Result(DeliveryStatus.FAILED.value, code)
        if record_look(dispatch, Look(SELDOM, rest=gone, code=code)):
            finish_run(dispatch.run_id)
        return
    wait = _pause(refusal)
    if refusal.kind in {Kind.RATE, Kind.CONFIG}:
        park_account(dispatch.run.broadcast.channel_account_id, wait)
    if refusal.kind is Kind.CONFIG:
        mark_failing(connection.pk, refusal.code)
    record_look(dispatch, Look(wait, code=code))


def _pause(refusal: WecomRefusal) -> timedelta:
    if refusal.kind is Kind.RATE:
        return timedelta(seconds=refusal.retry_after or SHORTLY.total_seconds())
    if refusal.kind is Kind.CONFIG:
        return CLOSED
    if refusal.kind is Kind.BUSY:
        return timedelta(seconds=BUSY_SECONDS)
    return SELDOM if refusal.outcome is Outcome.PERMANENT else SHORTLY
