"""When this happens, the platform's room does that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.dispatch import receiver

from scrm.wecom import handlers, tasks
from scrm.wecom.client.usage import ApiUsage
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.directory import DirectoryStep
from scrm.wecom.services.directory_events import (
    DEPARTMENT_CHANGES,
    STAFF_CHANGES,
    DepartmentReader,
    StaffReader,
    follow_directory,
)
from scrm.wecom.services.platform_clock import note_clock
from scrm.wecom.services.quotas import record_usage
from scrm.wecom.signals import apis_used, clock_heard, sync_started


@receiver(sync_started)
def hurry_the_sync(*, run_id: int, **_: object) -> None:
    transaction.on_commit(partial(tasks.go_on_with_sync, run_id), robust=True)


@receiver(apis_used)
def count_the_calls(*, connection_id: int, usages: Sequence[ApiUsage], **_: object) -> None:
    record_usage(connection_id, usages=usages)


@receiver(clock_heard)
def follow_the_clock(*, connection_id: int, ahead: timedelta, **_: object) -> None:
    note_clock(connection_id, ahead)


def follow_the_directory() -> None:
    """Once, when the app is ready. The directory is the first step of a sync, because customers and
    groups name the staff."""
    handlers.on_event("change_contact", [*STAFF_CHANGES, *DEPARTMENT_CHANGES], follow_directory)
    handlers.on_read(ReadKind.STAFF, StaffReader())
    handlers.on_read(ReadKind.DEPARTMENT, DepartmentReader())
    handlers.add_sync_step(DirectoryStep())
