"""Celery's doors. A message is a wake-up: the rows say what is to be done."""

from __future__ import annotations

from functools import partial

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from scrm.shared.waking import wake
from scrm.wecom.services import advancing, payloads, platform_clock
from scrm.wecom.services.bell import Bell
from scrm.wecom.services.event_claims import has_due_events
from scrm.wecom.services.processing import process_slice
from scrm.wecom.services.read_claims import reader_is_needed
from scrm.wecom.services.rereading import read_slice
from scrm.wecom.services.syncing import start_nightly_syncs, waiting_syncs

SYNC_WAKE_UP_EXPIRES = 10


# --- Callbacks and what they ask to be read -------------------------------------------------------


@shared_task(name="wecom.process_inbox")
def process_inbox() -> None:
    if process_slice():
        wake(process_inbox)


@shared_task(name="wecom.sweep_inbox")
def sweep_inbox() -> None:
    if has_due_events():
        wake(process_inbox)


@shared_task(name="wecom.read_objects")
def read_objects() -> None:
    if read_slice():
        wake(read_objects)


@shared_task(name="wecom.sweep_reads")
def sweep_reads() -> None:
    if reader_is_needed(max(1, settings.DRAIN_WORKERS - 1)):
        wake(read_objects)


@shared_task(name="wecom.empty_old_payloads")
def empty_old_payloads() -> None:
    if payloads.empty_old_payloads():
        empty_old_payloads.delay()


#: Asked by the web process for every callback that it stored.
INBOX_BELL = Bell(partial(wake, process_inbox))


# --- What time it is there ------------------------------------------------------------------------


@shared_task(name="wecom.learn_clocks")
def learn_clocks() -> None:
    platform_clock.learn_clocks()


# --- Reading everything ---------------------------------------------------------------------------


@shared_task(name="wecom.sweep_syncs")
def sweep_syncs() -> None:
    for run_id in waiting_syncs():
        go_on_with_sync(run_id)


@shared_task(name="wecom.sweep_nightly_syncs")
def sweep_nightly_syncs() -> None:
    start_nightly_syncs(timezone.now())


@shared_task(name="wecom.advance_sync")
def advance_sync(run_id: int) -> None:
    if advancing.advance_sync(run_id):
        go_on_with_sync(run_id)


def go_on_with_sync(run_id: int) -> None:
    wake(advance_sync, run_id, expires=SYNC_WAKE_UP_EXPIRES)
