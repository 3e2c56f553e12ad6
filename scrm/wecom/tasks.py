"""Celery's doors. A message is a wake-up: the rows say what is to be done."""

from __future__ import annotations

import logging

from celery import Task, shared_task
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerDown

from scrm.wecom.services import advancing, payloads
from scrm.wecom.services.bell import Bell
from scrm.wecom.services.event_claims import has_due_events
from scrm.wecom.services.processing import process_slice
from scrm.wecom.services.read_claims import reader_is_needed
from scrm.wecom.services.rereading import read_slice
from scrm.wecom.services.syncing import start_nightly_syncs, waiting_syncs

logger = logging.getLogger(__name__)

WAKE_UP_EXPIRES = 4  # by then the next sweep has sent another one
SYNC_WAKE_UP_EXPIRES = 10


def wake(task: Task[[], None]) -> None:
    """Hurry a worker. Without a broker nothing is lost: the sweep wakes one later."""
    try:
        task.apply_async(expires=WAKE_UP_EXPIRES)
    except BrokerDown:
        logger.warning("The broker is away; the sweep will go on.", extra={"task_name": task.name})


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


def _ring() -> None:
    process_inbox.apply_async(expires=WAKE_UP_EXPIRES)


#: Asked by the web process for every callback that it stored.
INBOX_BELL = Bell(_ring)


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
    try:
        advance_sync.apply_async((run_id,), expires=SYNC_WAKE_UP_EXPIRES)
    except BrokerDown:
        logger.warning("The broker is away; the sweep will go on.", extra={"sync_run_id": run_id})
