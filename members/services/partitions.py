"""The monthly partitions of activity events: made when first needed, or a little ahead.

There is no default partition. What it collected could only be moved out of it under an exclusive
lock, and a missing month is made in a moment by the batch that needs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from django.db import connection, transaction
from django.db.models import Max

from members.models import DetachedMonth

LOCK = 0x5CA101  # an advisory lock: one maker of partitions at a time
MONTHS_AHEAD = 2
UNDETACHABLE = 3  # so many months before this one: their events may always arrive

# Asked of the catalogue's rows: to_regclass() may answer from a cache that knows no newcomer.
MISSING = """
SELECT month FROM unnest(%s::date[]) AS month
WHERE NOT EXISTS (
    SELECT FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
    WHERE inhparent = 'members_activityevent'::regclass
      AND child.relname = 'members_activityevent_' || to_char(month, 'YYYYMM')
)
ORDER BY month
"""
ATTACHED = """
SELECT to_date(right(child.relname, 6), 'YYYYMM')
FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = 'members_activityevent'::regclass
ORDER BY 1
"""
# Attached, not created in place: ATTACH lets others read and write the table meanwhile.
MAKE = """
CREATE TABLE {name} (LIKE members_activityevent INCLUDING ALL);
ALTER TABLE members_activityevent ATTACH PARTITION {name}
    FOR VALUES FROM ('{first} 00:00+00') TO ('{following} 00:00+00');
"""


def month_of(instant: datetime) -> date:
    """The first day of the UTC month: the border of the partitions."""
    return instant.astimezone(UTC).date().replace(day=1)


def month_after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def months_before(month: date, count: int) -> date:
    number = month.year * 12 + month.month - 1 - count
    return date(number // 12, number % 12 + 1, 1)


def name_of(month: date) -> str:
    return f"members_activityevent_{month:%Y%m}"


def attached_months() -> list[date]:
    """The months whose events can be read, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(ATTACHED)
        return [month for (month,) in cursor.fetchall()]


def detached_before() -> datetime | None:
    """The instant before which events are archived and days stay as they are; None if none are."""
    last: date | None = DetachedMonth.objects.aggregate(last=Max("month"))["last"]
    if last is None:
        return None
    following = month_after(last)
    return datetime(following.year, following.month, 1, tzinfo=UTC)


def undetachable_since(now: datetime) -> datetime:
    """From when on the months of events are never detached."""
    month = months_before(month_of(now), UNDETACHABLE)
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def ensure_partitions(months: Iterable[date]) -> int:
    """Make the partitions that these months lack. Returns how many were made."""
    wanted = sorted(set(months))
    if not _missing(wanted):
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        missing = _missing(wanted)  # again: another maker may have been first
        for month in missing:
            cursor.execute(
                MAKE.format(name=name_of(month), first=month, following=month_after(month))
            )
    return len(missing)


def ensure_partitions_ahead(now: datetime) -> int:
    """Have this month and the next ones ready, so that no batch has to wait for its month."""
    months = [month_of(now)]
    for _ahead in range(MONTHS_AHEAD):
        months.append(month_after(months[-1]))
    return ensure_partitions(months)


def _missing(months: list[date]) -> list[date]:
    with connection.cursor() as cursor:
        cursor.execute(MISSING, [months])
        return [month for (month,) in cursor.fetchall()]
