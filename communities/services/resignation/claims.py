"""Leases on open cases: who lists and plans one. By the database's clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection as database
from django.db.models.functions import Now

from communities.models import ResignationCase

#: Longer than one page takes with every retry, and than planning what thousands left behind.
LEASE = timedelta(seconds=120)

# A case that still carries a token was lost by whoever had it: that counts as a failed attempt, and
# what kills its worker again and again is tried ever more rarely.
CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id, token FROM communities_resignationcase
    WHERE status IN ('opened', 'awaiting_approval', 'running') AND due_at <= statement_timestamp()
    ORDER BY due_at, id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE communities_resignationcase kept SET
    token = %(token)s,
    due_at = statement_timestamp() + make_interval(
        secs => least(%(lease)s * power(2, least(kept.attempt_count, 10)), 3600)
    ),
    attempt_count = least(kept.attempt_count + (due.token IS NOT NULL)::int, 1000)
FROM due
WHERE kept.id = due.id
RETURNING kept.id
"""

EXTEND = """
UPDATE communities_resignationcase SET
    due_at = statement_timestamp() + make_interval(secs => %(lease)s)
WHERE id = %(case)s AND token = %(token)s
  AND status IN ('opened', 'awaiting_approval', 'running')
"""


class LeaseLost(Exception):
    """The case is in other hands, or has ended: write nothing."""


def claim_case() -> tuple[ResignationCase, UUID] | None:
    """The case that has waited longest."""
    token = uuid4()
    with database.cursor() as cursor:
        cursor.execute(CLAIM, {"token": token, "lease": LEASE.total_seconds()})
        row = cursor.fetchone()
    if row is None:
        return None
    return ResignationCase.objects.select_related("staff", "enterprise").get(pk=row[0]), token


def cases_are_due() -> bool:
    return ResignationCase.objects.open().filter(due_at__lte=Now()).exists()


def keep(case: ResignationCase, token: UUID) -> None:
    """The case is ours until the end of the transaction, and the lease whole again. Call it last,
    because transfers and items are locked before their case. Raises ``LeaseLost``."""
    with database.cursor() as cursor:
        seconds = LEASE.total_seconds()
        named: dict[str, int | float | UUID] = {"case": case.pk, "token": token, "lease": seconds}
        cursor.execute(EXTEND, named)
        if not cursor.rowcount:
            raise LeaseLost


def let_go(case: ResignationCase, token: UUID, *, wait: timedelta, **changes: Any) -> None:
    """It is due again after ``wait``. Raises ``LeaseLost``."""
    mine = ResignationCase.objects.open().filter(pk=case.pk, token=token)
    if not mine.update(token=None, due_at=Now() + wait, **changes):
        raise LeaseLost
