"""Callbacks become facts: the effects of a batch and the end of its callbacks are one transaction.

So whatever dies, an effect happens once. A batch that fails is taken apart, and each callback that
fails alone is tried again later, a few times; then it waits for a person.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import chain
from uuid import UUID

from django.db import InterfaceError, transaction
from django.db import connection as database
from django.utils.translation import gettext as _

from scrm.shared.errors import DomainError
from scrm.wecom.handlers import Handle, handler_of
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.envelopes import Unreadable, event_of
from scrm.wecom.rules.events import Event
from scrm.wecom.rules.status import EventState
from scrm.wecom.services.event_claims import (
    BATCH,
    MOST_ATTEMPTS,
    PROCESSED,
    Claim,
    LeaseLost,
    Result,
    Row,
    claim_new,
    claim_suspect,
    connections_with_events,
    give_back,
    lock_mine,
    settle,
)

logger = logging.getLogger(__name__)

SLICE_SECONDS = 3.0
SUSPECTS = 50  # so many in a row before new callbacks have their turn again
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=2), timedelta(minutes=5)


def process_slice(*, seconds: float = SLICE_SECONDS) -> bool:
    """Process for a short while; whether there was still something to do at the end."""
    ends_at = time.monotonic() + seconds
    while True:
        done = _round(BATCH, ends_at=ends_at)
        if not done:
            return False
        if time.monotonic() > ends_at:
            return True


def process_waiting(*, limit: int = 10_000) -> int:
    """Process what is due, in the caller's process; how many callbacks came to their end."""
    settled = 0
    while settled < limit and (done := _round(limit - settled, ends_at=float("inf"))):
        settled += done
    return settled


def _round(most: int, *, ends_at: float) -> int:
    """Something of every company that has something; how many callbacks were taken."""
    taken = 0
    for connection_id in connections_with_events():
        connection = _connection(connection_id)
        claim = claim_new(connection_id, most=min(BATCH, most - taken))
        for each in chain([claim] if claim else [], _suspects(connection_id)):
            _process(connection, each)
            taken += len(each.rows)
            if taken >= most or time.monotonic() > ends_at:
                return taken
    return taken


def _connection(connection_id: int) -> WecomConnection:
    return WecomConnection.objects.select_related("account", "enterprise").get(pk=connection_id)


def _suspects(connection_id: int) -> Iterator[Claim]:
    for _number in range(SUSPECTS):
        claim = claim_suspect(connection_id, lost=_("处理它的进程多次中断。"))
        if claim is None:
            return
        yield claim


def _process(connection: WecomConnection, claim: Claim) -> None:
    """All together if they work together, else each for itself."""
    try:
        if len(claim.rows) > 1:
            try:
                _apply(connection, claim.token, claim.rows)
            except LeaseLost:
                raise
            except Exception:
                _stop_without_database()
                logger.warning("A batch of callbacks is taken apart.", exc_info=True)
            else:
                return
        for row in claim.rows:
            _process_alone(connection, claim.token, row, tries=min(2, len(claim.rows)))
    except LeaseLost:
        logger.info("Callbacks are in other hands.", extra={"connection_id": connection.pk})


def _process_alone(connection: WecomConnection, token: UUID, row: Row, *, tries: int) -> None:
    """``tries``: so many did it have in these hands, the one in a batch included."""
    try:
        _apply(connection, token, [row])
    except LeaseLost:
        raise
    except Exception as error:
        _stop_without_database()
        logger.exception("A callback could not be processed.", extra={"event_id": row.id})
        attempts = row.attempt_count + tries - 1
        give_back(
            token,
            row.id,
            state=EventState.WAITING if attempts < MOST_ATTEMPTS else EventState.FAILED,
            attempts=attempts,
            wait=backoff(attempts),
            reason=_why(error),
        )


def _apply(connection: WecomConnection, token: UUID, rows: Sequence[Row]) -> None:
    """The effects of callbacks and their end: both or neither."""
    results: dict[int, Result] = {}
    groups: dict[Handle, list[Event]] = {}
    for row in rows:
        read = _read(row)
        if isinstance(read, Result):
            results[row.id] = read
        elif (handle := handler_of(read.event, read.change_type)) is None:
            results[row.id] = Result(EventState.IGNORED, _("没有功能处理这类事件。"))
        else:
            groups.setdefault(handle, []).append(read)
    with transaction.atomic():
        lock_mine(token, [row.id for row in rows])
        for handle, events in groups.items():
            useless = handle(connection, events) or {}
            for event in events:
                reason = useless.get(event.row_id)
                results[event.row_id] = (
                    PROCESSED if reason is None else Result(EventState.IGNORED, str(reason))
                )
        settle(token, results)


def _read(row: Row) -> Event | Result:
    payload = row.payload()
    if payload is None:
        return Result(EventState.FAILED, _("没有一把密钥能解开原文，请检查 PII_KEYS。"))
    if not payload:
        return Result(EventState.FAILED, _("原文已到期清除，请同步这个企业。"))
    try:
        return event_of(payload).as_event(row_id=row.id, received_at=row.received_at)
    except Unreadable:
        return Result(EventState.FAILED, _("原文读不懂。"))


def _stop_without_database() -> None:
    """When the database is away no callback is at fault: those in our hands are due again soon."""
    if not database.is_usable():
        database.close()
        raise InterfaceError("The database went away while callbacks were processed.")


def _why(error: Exception) -> str:
    return error.message if isinstance(error, DomainError) else type(error).__name__


def backoff(attempts: int) -> timedelta:
    """After so many attempts: 2 s, 8 s, 32 s … and five minutes at most, a little uneven."""
    grown = min(FIRST_WAIT * 4 ** (attempts - 1), LONGEST_WAIT)
    return timedelta(seconds=grown.total_seconds() * random.uniform(0.75, 1.25))
