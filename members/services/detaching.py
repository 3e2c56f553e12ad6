"""Taking old months of events out of the table, where the policy or an operator says so.

The days that were counted from them stay. The events stay, too, in a table of their own, which may
be archived (``pg_dump -t``) and dropped. What arrives late for such a month is refused: it could
not be counted once only.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.db import OperationalError, connection, transaction

from members.models import DetachedMonth
from members.services.partitions import (
    LOCK,
    UNDETACHABLE,
    attached_months,
    month_of,
    months_before,
    name_of,
)

logger = logging.getLogger(__name__)

# Metadata only, so it takes a moment; but everybody waits behind who waits for the lock.
DETACH = """
SET LOCAL lock_timeout = '2s';
ALTER TABLE members_activityevent DETACH PARTITION {name}
"""
# What autovacuum and the planner have counted; a scan of the month would take minutes.
SIZES = """
SELECT child.relname, greatest(child.reltuples, 0)::bigint, pg_total_relation_size(child.oid)
FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = 'members_activityevent'::regclass
"""


@dataclass(frozen=True)
class MonthOfEvents:
    """A month of the table: about how many events it has, how many bytes with its indexes, and
    whether the policy lets it go."""

    month: date
    event_count: int
    size: int
    is_detachable: bool


def detach_by_policy(now: datetime) -> list[date]:
    """Detach what is older than ``SCRM_ACTIVITY_KEEP_MONTHS``; 0 keeps everything."""
    months = detachable_months(now)
    return detach_before(months[-1], now=now, is_inclusive=True) if months else []


def detachable_months(now: datetime) -> list[date]:
    """Attached months that the policy lets go, oldest first."""
    kept = settings.ACTIVITY_KEEP_MONTHS
    if not kept:
        return []
    limit = months_before(month_of(now), max(kept, UNDETACHABLE))
    return [month for month in attached_months() if month < limit]


def detach_before(month: date, *, now: datetime, is_inclusive: bool = False) -> list[date]:
    """Detach every month before ``month``, but never the last ones. Returns which went; one that
    is being read for long stays for the next time."""
    limit = months_before(month_of(now), UNDETACHABLE)
    gone = []
    for attached in attached_months():
        is_meant = attached <= month if is_inclusive else attached < month
        if not is_meant or attached >= limit:
            continue
        try:
            _detach(attached)
        except OperationalError as error:
            logger.warning("month not detached", extra={"month": str(attached), "why": str(error)})
            break  # what is older goes first, so that one date divides the two
        gone.append(attached)
    return gone


@transaction.atomic
def _detach(month: date) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        if month in attached_months():
            DetachedMonth.objects.get_or_create(month=month)
            cursor.execute(DETACH.format(name=name_of(month)))


def months_of_events(now: datetime) -> list[MonthOfEvents]:
    with connection.cursor() as cursor:
        cursor.execute(SIZES)
        sizes = {name: (int(count), int(size)) for name, count, size in cursor.fetchall()}
    detachable = set(detachable_months(now))
    return [
        MonthOfEvents(month, *sizes.get(name_of(month), (0, 0)), month in detachable)
        for month in attached_months()
    ]
