"""Leases on runs of a sync: who works on one, and what they may still write. By the database's
clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import connection, transaction

from scrm.wecom.models import SyncRun
from scrm.wecom.rules.status import SyncState

#: Longer than one page takes with every retry of its calls; how long a run rests after a kill.
LEASE = timedelta(seconds=120)

# A run that still carries a token was lost by whoever had it: that counts as a failed attempt.
CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id, token FROM wecom_syncrun
    WHERE id = %(run)s AND state = 'running' AND due_at <= statement_timestamp()
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE wecom_syncrun run SET
    token = %(token)s,
    due_at = statement_timestamp() + make_interval(secs => %(lease)s),
    attempt_count = run.attempt_count + (due.token IS NOT NULL)::int
FROM due
WHERE run.id = due.id
RETURNING run.id
"""

GIVE_BACK = """
UPDATE wecom_syncrun SET
    token = NULL,
    due_at = statement_timestamp() + make_interval(secs => %(wait)s),
    attempt_count = attempt_count + %(counted)s
WHERE id = %(run)s AND token = %(token)s AND state = 'running'
"""

EXTEND = """
UPDATE wecom_syncrun SET due_at = statement_timestamp() + make_interval(secs => %(lease)s)
WHERE id = %(run)s AND token = %(token)s AND state = 'running'
"""


class LeaseLost(Exception):
    """Somebody else goes on with the run, or it was cancelled: write nothing more."""


def claim_run(run_id: int) -> SyncRun | None:
    """Lease a run that is due; None when it is over, not due, or in other hands."""
    token = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"run": run_id, "token": token, "lease": LEASE.total_seconds()})
        if cursor.fetchone() is None:
            return None
    claimed = SyncRun.objects.select_related("connection__account", "enterprise")
    return claimed.filter(token=token).get(pk=run_id)


def give_back(run_id: int, token: UUID, *, wait: timedelta = timedelta(), counted: bool) -> None:
    """Let go; it is due again after ``wait``. ``counted``: as a failed attempt."""
    with connection.cursor() as cursor:
        cursor.execute(
            GIVE_BACK,
            {"run": run_id, "token": token, "wait": wait.total_seconds(), "counted": int(counted)},
        )


@contextmanager
def writing(run_id: int, token: UUID) -> Iterator[SyncRun]:
    """A transaction in which the run is ours for certain; raises ``LeaseLost`` otherwise. The
    lease is whole again when it ends."""
    with transaction.atomic():
        mine = SyncRun.objects.select_for_update(no_key=True, of=("self",)).filter(
            pk=run_id, token=token, state=SyncState.RUNNING
        )
        run = mine.first()
        if run is None:
            raise LeaseLost
        yield run
        with connection.cursor() as cursor:
            cursor.execute(EXTEND, {"run": run_id, "token": token, "lease": LEASE.total_seconds()})
