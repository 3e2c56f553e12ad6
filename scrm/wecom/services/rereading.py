"""Reading single objects again: fetched with no transaction open, written down in one.

A few at a time are fetched in threads, which call the platform and write nothing.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import InterfaceError, transaction
from django.db import connection as database
from django.utils import timezone
from django.utils.translation import gettext as _

from scrm.shared.errors import DomainError
from scrm.wecom.client import WecomClient, client_for
from scrm.wecom.client.codes import GONE, words_of
from scrm.wecom.client.errors import InvalidArguments, Kind, Outcome, WecomRefusal
from scrm.wecom.handlers import NotYet, Reader, reader_of
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState, ReadState
from scrm.wecom.services.connections import mark_connected, mark_failing
from scrm.wecom.services.fetching import Fetcher
from scrm.wecom.services.platform_clock import clock_ahead
from scrm.wecom.services.read_claims import (
    Claim,
    LeaseLost,
    Wanted,
    claim_lost_read,
    claim_reads,
    connections_with_reads,
    finish,
    give_back,
    lock_mine,
    park,
)

logger = logging.getLogger(__name__)

SLICE_SECONDS = 5.0
AT_ONCE = 4
BATCH = 2 * AT_ONCE  # so that the last of them begins while the lease still holds
PATIENCE = 6  # so often may the platform show an older state than the event spoke of
MOST_ERRORS = 5  # of ours, with one object
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=2), timedelta(minutes=5)
PARKED = timedelta(seconds=60)  # the shortest block of the platform
CLOSED = timedelta(minutes=5)  # a wrong secret repeated many times blocks our address
#: A right that is missing for one object; other objects are shown.
OUT_OF_SIGHT = frozenset({50002, 60011, 60021, 60030, 84074, 92000})


class Fetched(NamedTuple):
    """What the platform answered, or what went wrong, and when it was asked, by its own clock."""

    wanted: Wanted
    read_at: datetime
    found: Any = None
    error: Exception | None = None


def read_slice(*, seconds: float = SLICE_SECONDS) -> bool:
    """Read for a short while; whether there was still something to do at the end."""
    ends_at = time.monotonic() + seconds
    while True:
        if not _round(BATCH, at_once=AT_ONCE, ends_at=ends_at):
            return False
        if time.monotonic() > ends_at:
            return True


def read_waiting(*, limit: int = 1000, at_once: int = 1) -> int:
    """Read what is due, in the caller's process and, one at a time, in its thread; how many
    objects were tried."""
    tried = 0
    while tried < limit and (done := _round(limit - tried, at_once=at_once, ends_at=float("inf"))):
        tried += done
    return tried


def _round(most: int, *, at_once: int, ends_at: float) -> int:
    """Something of every company that has something; how many objects were tried."""
    tried = 0
    for connection_id in connections_with_reads():
        lost = claim_lost_read(connection_id, reason=_("读取它的进程多次中断。"))
        claim = lost or claim_reads(connection_id, most=min(BATCH, most - tried))
        if claim is not None:
            _read(connection_id, claim, at_once=at_once)
            tried += len(claim.objects)
        if tried >= most or time.monotonic() > ends_at:
            break
    return tried


def _read(connection_id: int, claim: Claim, *, at_once: int) -> None:
    connection = WecomConnection.objects.select_related("account", "enterprise").get(
        pk=connection_id
    )
    for fetched in _fetched(connection, claim.objects, at_once=at_once):
        try:
            _settle(connection, claim.token, fetched)
        except LeaseLost:
            logger.info("An object is in other hands.", extra={"read_id": fetched.wanted.id})


# --- Asking the platform --------------------------------------------------------------------------


def _fetched(
    connection: WecomConnection, objects: list[Wanted], *, at_once: int
) -> Iterator[Fetched]:
    if at_once > 1 and len(objects) > 1:
        yield from _fetched_at_once(connection, objects, at_once)
        return
    try:
        client = client_for(connection)
    except Exception as error:
        yield from (Fetched(wanted, timezone.now(), error=error) for wanted in objects)
        return
    with client:
        yield from (_fetch(client, wanted) for wanted in objects)


def _fetched_at_once(
    connection: WecomConnection, objects: list[Wanted], at_once: int
) -> list[Fetched]:
    by_id = {str(wanted.id): wanted for wanted in objects}

    def fetch(client: WecomClient, number: str) -> Fetched:
        return _fetch(client, by_id[number])

    try:
        with Fetcher(connection, at_once=at_once) as fetcher:
            answers = fetcher.each(fetch, list(by_id), spared=frozenset())
            return [answer for _number, answer in answers if isinstance(answer, Fetched)]
    except Exception as error:
        return [Fetched(wanted, timezone.now(), error=error) for wanted in objects]


def _fetch(client: WecomClient, wanted: Wanted) -> Fetched:
    asked_at = timezone.now()
    reader = reader_of(wanted.kind)
    if reader is None:
        return Fetched(wanted, asked_at)
    try:
        found = reader.fetch(client, wanted.external_id)
    except Exception as error:
        return Fetched(wanted, asked_at, error=error)
    # of a clock that was moved we hear by the answer
    return Fetched(wanted, asked_at + clock_ahead(client.connection), found)


# --- Writing it down ------------------------------------------------------------------------------


def _settle(connection: WecomConnection, token: UUID, fetched: Fetched) -> None:
    wanted, error = fetched.wanted, fetched.error
    reader = reader_of(wanted.kind)
    if reader is None:
        _fail(token, wanted, _("没有功能读取这类对象。"))
    elif isinstance(error, WecomRefusal):
        _after_refusal(connection, token, wanted, reader, error)
    elif error is not None:
        _after_error(token, wanted, error)
    else:
        _apply(connection, token, reader, fetched)


def _apply(connection: WecomConnection, token: UUID, reader: Reader, fetched: Fetched) -> None:
    wanted = fetched.wanted
    is_patient = wanted.attempt_count < PATIENCE
    try:
        with transaction.atomic():
            lock_mine(token, wanted)
            reader.apply(
                connection,
                fetched.found,
                read_at=fetched.read_at,
                wanted_version=wanted.wanted_version if is_patient else "",
            )
            finish(token, wanted)
    except LeaseLost:
        raise
    except NotYet:
        _again(token, wanted, wait=_growing(2, wanted), reason=_("平台还没有更新，稍后再读。"))
    except Exception as error:
        _after_error(token, wanted, error)
    else:
        if connection.state == ConnectionState.FAILING:
            mark_connected(connection.pk)


def _after_refusal(
    connection: WecomConnection, token: UUID, wanted: Wanted, reader: Reader, refusal: WecomRefusal
) -> None:
    if refusal.code in GONE:
        _apply_gone(connection, token, wanted, reader, refusal)
        return
    logger.warning(
        "The platform refused to show an object.",
        extra={"read_id": wanted.id, "api": refusal.api, "errcode": refusal.code},
    )
    if refusal.kind == Kind.CONFIG and refusal.code not in OUT_OF_SIGHT:
        _fail(token, wanted, _words(refusal))
        park(connection.pk, CLOSED)
        mark_failing(connection.pk, refusal.code)
    elif refusal.kind == Kind.RATE:
        wait = timedelta(seconds=refusal.retry_after) if refusal.retry_after else PARKED
        _again(token, wanted, wait=wait, reason=_words(refusal), counted=False)
        park(connection.pk, wait, kind=wanted.kind)
    elif refusal.outcome == Outcome.PERMANENT:
        _fail(token, wanted, _words(refusal))
    else:  # reading twice does no harm, so what is not known is asked again, too
        wait = max(_growing(4, wanted), timedelta(seconds=refusal.retry_after or 0))
        _again(token, wanted, wait=wait, reason=_words(refusal))


def _apply_gone(
    connection: WecomConnection, token: UUID, wanted: Wanted, reader: Reader, refusal: WecomRefusal
) -> None:
    try:
        with transaction.atomic():
            lock_mine(token, wanted)
            reader.gone(connection, wanted.external_id, refusal=refusal)
            finish(token, wanted)
    except LeaseLost:
        raise
    except Exception as error:
        _after_error(token, wanted, error)


def _after_error(token: UUID, wanted: Wanted, error: Exception) -> None:
    """A mistake of ours: a few times more, then it waits for a person."""
    if not database.is_usable():
        database.close()
        raise InterfaceError("The database went away while objects were read.") from error
    logger.error("An object could not be read.", exc_info=error, extra={"read_id": wanted.id})
    reason = type(error).__name__
    if isinstance(error, InvalidArguments | DomainError):
        reason = error.message
    if wanted.attempt_count >= MOST_ERRORS:
        _fail(token, wanted, reason)
    else:
        _again(token, wanted, wait=_growing(4, wanted), reason=reason)


def _fail(token: UUID, wanted: Wanted, reason: str) -> None:
    give_back(
        token,
        wanted,
        state=ReadState.FAILED,
        attempts=wanted.attempt_count,
        wait=timedelta(),
        reason=reason,
    )


def _again(
    token: UUID, wanted: Wanted, *, wait: timedelta, reason: str, counted: bool = True
) -> None:
    attempts = wanted.attempt_count if counted else wanted.attempt_count - 1
    give_back(token, wanted, state=ReadState.WAITING, attempts=attempts, wait=wait, reason=reason)


def _growing(factor: int, wanted: Wanted) -> timedelta:
    """2 s, then ``factor`` times as long with every attempt up to five minutes, a little uneven."""
    grown = FIRST_WAIT * factor ** min(wanted.attempt_count - 1, 10)
    return timedelta(seconds=min(grown, LONGEST_WAIT).total_seconds() * random.uniform(0.75, 1.25))


def _words(refusal: WecomRefusal) -> str:
    if not refusal.code:
        return _("连不上平台，或它没有正常回答（%(api)s）。") % {"api": refusal.api}
    return f"{words_of(refusal.code)}（{refusal.api} {refusal.code}）"
