"""Going on with a sync: read a page, write it together with where it ends, and so on."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from scrm.wecom.client import WecomClient, client_for
from scrm.wecom.client.codes import words_of
from scrm.wecom.client.errors import Kind, Outcome, WecomRefusal
from scrm.wecom.handlers import Page, SyncStep, sync_steps
from scrm.wecom.models import SyncRun
from scrm.wecom.rules.status import ConnectionState, SyncState
from scrm.wecom.services.connections import mark_connected, mark_failing
from scrm.wecom.services.sync_claims import LeaseLost, claim_run, give_back, writing
from scrm.wecom.services.syncing import waiting_syncs

logger = logging.getLogger(__name__)

SLICE = 20.0  # seconds; well below the time limit of a task
MAX_ATTEMPTS = 8  # failures in a row without a page between them
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=10)
PARKED = timedelta(seconds=60)  # the shortest block of the platform


def advance_syncs(*, budget: float = SLICE) -> int:
    """Go on with every waiting run, in the caller's process; returns how many were worked on."""
    waiting = waiting_syncs()
    for run_id in waiting:
        advance_sync(run_id, budget=budget)
    return len(waiting)


def advance_sync(run_id: int, *, budget: float = SLICE) -> bool:
    """Go on with one run for so many seconds; whether there is more to do at once."""
    run = claim_run(run_id)
    if run is None:
        return False
    assert run.token is not None
    token = run.token
    if run.attempt_count >= MAX_ATTEMPTS:
        return _end(run, token, SyncState.FAILED, reason=_("处理同步的进程多次中断。"))
    if run.connection.state == ConnectionState.PAUSED:
        return _end(run, token, SyncState.CANCELLED, reason=_("连接已停用。"))
    try:
        return _read_on(run, token, ends_at=time.monotonic() + budget)
    except LeaseLost:
        return False
    except WecomRefusal as refusal:
        _after_refusal(run, token, refusal)
    except Exception:
        logger.exception("A page of a sync could not be written.", extra={"sync_run_id": run_id})
        _try_again(run, token, reason=_("写入时出错，详情见日志。"))
    return False


def _read_on(run: SyncRun, token: UUID, *, ends_at: float) -> bool:
    with client_for(run.connection) as client:
        for step in _steps_left(run):
            cursor = run.cursor if step.name == run.step else {}
            if not _read_step(run, token, step, client, cursor, ends_at=ends_at):
                give_back(run.pk, token, counted=False)
                return True
    return _end(run, token, SyncState.COMPLETED)


def _steps_left(run: SyncRun) -> list[SyncStep]:
    steps = sync_steps(run.scope)
    names = [step.name for step in steps]
    return steps[names.index(run.step) :] if run.step in names else steps


def _read_step(
    run: SyncRun,
    token: UUID,
    step: SyncStep,
    client: WecomClient,
    cursor: dict[str, Any],
    *,
    ends_at: float,
) -> bool:
    """Whether the step was read to its end; otherwise the time was up."""
    with closing(step.pages(run, client, cursor)) as pages:  # type: ignore[type-var]  # generators
        for page in pages:
            _write(run.pk, token, step, page)
            if time.monotonic() > ends_at:
                return False
    mark_connected(run.connection_id)
    _enter_next(run, token, step)
    return True


def _write(run_id: int, token: UUID, step: SyncStep, page: Page) -> None:
    """The effects of a page and where to go on after it: both or neither."""
    with writing(run_id, token) as run:
        counted = page.apply()
        run.step, run.cursor, run.attempt_count = step.name, page.cursor, 0
        run.counts = {**run.counts, step.name: _added(run.counts.get(step.name, {}), counted)}
        if page.partial and page.partial not in run.reason:
            run.reason = "；".join(filter(None, [run.reason, page.partial]))[:300]
        run.save(update_fields=["step", "cursor", "attempt_count", "counts", "reason"])


def _added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) + more.get(name, 0) for name in {**counts, **more}}


def _enter_next(run: SyncRun, token: UUID, done: SyncStep) -> None:
    """Leave a step behind, so that a kill does not read it again."""
    steps = sync_steps(run.scope)
    after = steps[[step.name for step in steps].index(done.name) + 1 :]
    if not after:
        return
    with writing(run.pk, token) as row:
        row.step, row.cursor = after[0].name, {}
        row.save(update_fields=["step", "cursor"])


# --- How it ends ----------------------------------------------------------------------------------


def _end(run: SyncRun, token: UUID, state: SyncState, *, reason: str = "") -> bool:
    """There is no more to do: always False."""
    try:
        with writing(run.pk, token) as row:
            if state == SyncState.COMPLETED and row.reason:
                state = SyncState.PARTIAL
            row.state, row.finished_at = state, Now()
            row.reason = (reason or row.reason)[:300]
            row.drift = _drift_of(row)
            row.step, row.cursor, row.token = "", {}, None
            row.save(
                update_fields=[
                    "state", "finished_at", "reason", "drift", "step", "cursor", "token"
                ]
            )  # fmt: skip
    except LeaseLost:
        logger.info("A sync was ended by somebody else.", extra={"sync_run_id": run.pk})
    return False


def _drift_of(run: SyncRun) -> dict[str, dict[str, int]]:
    """What the events had not told us, by step; nothing for what is read the first time."""
    drift: dict[str, dict[str, int]] = {}
    for step in sync_steps(run.scope):
        counts = run.counts.get(step.name, {})
        missed = {name: counts[name] for name in sorted(step.drift) if counts.get(name)}
        if missed and _was_read_before(run, step.name):
            drift[step.name] = missed
    return drift


def _was_read_before(run: SyncRun, step: str) -> bool:
    earlier = SyncRun.objects.filter(connection=run.connection_id, pk__lt=run.pk)
    ended = [SyncState.COMPLETED, SyncState.PARTIAL]
    return earlier.filter(state__in=ended, counts__has_key=step).exists()


def _after_refusal(run: SyncRun, token: UUID, refusal: WecomRefusal) -> None:
    logger.warning(
        "The platform refused a page of a sync.",
        extra={"sync_run_id": run.pk, "api": refusal.api, "errcode": refusal.code},
    )
    words = _refused(refusal)
    if refusal.kind == Kind.RATE:
        wait = timedelta(seconds=refusal.retry_after) if refusal.retry_after else PARKED
        give_back(run.pk, token, wait=wait, counted=False)
    elif refusal.kind == Kind.CONFIG:
        _end(run, token, SyncState.FAILED, reason=words)
        mark_failing(run.connection_id, refusal.code)
    elif refusal.outcome == Outcome.PERMANENT:
        _end(run, token, SyncState.FAILED, reason=words)
    else:
        _try_again(run, token, reason=words, retry_after=refusal.retry_after)


def _refused(refusal: WecomRefusal) -> str:
    if not refusal.code:
        return _("连不上平台，或它没有正常回答（%(api)s）。") % {"api": refusal.api}
    return f"{words_of(refusal.code)}（{refusal.api} {refusal.code}）"


def _try_again(run: SyncRun, token: UUID, *, reason: str, retry_after: float | None = None) -> None:
    """Later, and a little later each time; after ``MAX_ATTEMPTS`` in a row not at all."""
    run.refresh_from_db(fields=["attempt_count"])
    if run.attempt_count + 1 >= MAX_ATTEMPTS:
        _end(run, token, SyncState.FAILED, reason=reason)
        return
    wait = min(FIRST_WAIT * 2**run.attempt_count, LONGEST_WAIT) * random.uniform(0.75, 1.25)
    if retry_after is not None:
        wait = max(wait, timedelta(seconds=retry_after))
    give_back(run.pk, token, wait=wait, counted=True)
