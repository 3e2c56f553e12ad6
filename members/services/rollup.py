"""What people did on each local day: the statements that count events, in one place.

A day's row can be added to in any order: counts are summed, the local hours are a union of bits
and the threads a union of digests. So a batch adds what it stored, without looking at the events
that were there before, and a recount with the same expressions gives the same row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connection

from members.rules.activity import COUNTERS
from members.services.staging import affected, temporary_table

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

# Fixed names and kinds of our own; every value is bound.
_SPOKEN = ("message_count", "post_count", "comment_count")
_KINDS = ", ".join(f"'{kind}'" for kind in COUNTERS.values())
_WORDS = ", ".join(f"'{COUNTERS[column]}'" for column in _SPOKEN)
_SUMMED = (*COUNTERS, "other_count")

#: The 64-bit number that stands for a thread; that of "no thread" is a number like any other.
THREAD_DIGEST = "('x' || left(md5(thread), 16))::bit(64)::bigint"

MEMBER_KEY = "member_id, community_id, day"
MEMBER_VALUES = ", ".join([*_SUMMED, "thread_count", "hours", "threads"])
STAFF_KEY = "community_id, day, staff_id"
STAFF_VALUES = "message_count, other_count"

_LOCAL = """(
        SELECT community_id, {who}, kind, thread, occurred_at AT TIME ZONE %(zone)s AS local
        FROM {events} WHERE {who} IS NOT NULL{only}
    ) event"""
_BY_KIND = ", ".join(
    f"count(*) FILTER (WHERE kind = '{kind}') AS {column}" for column, kind in COUNTERS.items()
)
_MEMBER_DAYS = f"""
    SELECT {MEMBER_KEY}, {", ".join(_SUMMED)}, cardinality(threads) AS thread_count, hours, threads
    FROM (
        SELECT member_id, community_id, local::date AS day, {_BY_KIND},
               count(*) FILTER (WHERE kind NOT IN ({_KINDS})) AS other_count,
               bit_or(1 << date_part('hour', local)::integer) AS hours,
               array_agg(DISTINCT {THREAD_DIGEST} ORDER BY {THREAD_DIGEST}) AS threads
        FROM {_LOCAL}
        GROUP BY member_id, community_id, local::date
    ) summed"""  # noqa: S608 - names of our own; every value is bound
_STAFF_DAYS = f"""
    SELECT community_id, local::date AS day, staff_id,
           count(*) FILTER (WHERE kind IN ({_WORDS})) AS message_count,
           count(*) FILTER (WHERE kind NOT IN ({_WORDS})) AS other_count
    FROM {_LOCAL}
    GROUP BY community_id, local::date, staff_id"""  # noqa: S608 - names of our own


def member_days_of(events: str, *, only: str = "") -> str:
    """A SELECT of members' days counted from ``events``, a table or a CTE with the columns
    community_id, member_id, kind, thread and occurred_at. Binds ``zone``."""
    return _MEMBER_DAYS.format(who="member_id", events=events, only=only)


def staff_days_of(events: str, *, only: str = "") -> str:
    """The same of what colleagues did, from a column ``staff_id``."""
    return _STAFF_DAYS.format(who="staff_id", events=events, only=only)


_ADD_TO_MEMBER_DAY = ", ".join(
    [
        *(f"{name} = kept.{name} + EXCLUDED.{name}" for name in _SUMMED),
        "hours = kept.hours | EXCLUDED.hours",
        """(threads, thread_count) = (
            SELECT array_agg(digest ORDER BY digest), count(*) FROM (
                SELECT unnest(kept.threads) UNION SELECT unnest(EXCLUDED.threads)
            ) united (digest)
        )""",
    ]
)

#: The part of the statement that stores events which adds them to the days, in the transaction of
#: the events. It follows a CTE ``stored`` with the columns community_id, member_id, staff_id,
#: occurred_at, kind and thread, and binds ``enterprise`` and ``zone``. Rows are taken in the order
#: of their keys by everybody, so batches that overlap wait for one another but never in a circle.
#: A day in the past leaves a mark, for its snapshot: who makes that anew deletes the mark first,
#: and so waits for those who still write.
ADD_DAYS = f""", counted_member_days AS ({member_days_of("stored")}
), added_member_days AS (
    INSERT INTO members_memberday AS kept (enterprise_id, {MEMBER_KEY}, {MEMBER_VALUES})
    SELECT %(enterprise)s, {MEMBER_KEY}, {MEMBER_VALUES}
    FROM counted_member_days ORDER BY {MEMBER_KEY}
    ON CONFLICT ({MEMBER_KEY}) DO UPDATE SET {_ADD_TO_MEMBER_DAY}
), counted_staff_days AS ({staff_days_of("stored")}
), added_staff_days AS (
    INSERT INTO members_staffday AS kept (enterprise_id, {STAFF_KEY}, {STAFF_VALUES})
    SELECT %(enterprise)s, {STAFF_KEY}, {STAFF_VALUES}
    FROM counted_staff_days ORDER BY {STAFF_KEY}
    ON CONFLICT ({STAFF_KEY}) DO UPDATE
    SET message_count = kept.message_count + EXCLUDED.message_count,
        other_count = kept.other_count + EXCLUDED.other_count
), late_days AS (
    INSERT INTO members_staleday AS mark (community_id, day)
    SELECT community_id, day FROM counted_member_days
    WHERE day < ((now() + interval '1 hour') AT TIME ZONE %(zone)s)::date - 1
    UNION
    SELECT community_id, day FROM counted_staff_days
    WHERE day < ((now() + interval '1 hour') AT TIME ZONE %(zone)s)::date - 1
    ORDER BY community_id, day
    ON CONFLICT (community_id, day) DO UPDATE SET marked_at = EXCLUDED.marked_at
)"""  # noqa: S608 - names of our own; every value is bound


TOUCHED = "touched_days"
TOUCHED_COLUMNS = """community_id bigint, member_id bigint, day date,
    is_locked boolean NOT NULL DEFAULT false"""

_COUNTS = ", ".join([*COUNTERS, "other_count", "thread_count"])
_OLD_BY_KIND = ", ".join(
    f"count(*) FILTER (WHERE event.kind = '{kind}') AS {column}"
    for column, kind in COUNTERS.items()
)
_SUMS = ", ".join(f"sum({column})::integer AS {column}" for column in COUNTERS)
_COUNTED_OLD_BY_KIND = " + ".join(f"sum({column})" for column in COUNTERS)
_OLD_KEY = "member_id, community_id, day"
_ROW = ", ".join(f"counted.{name}" for name in _COUNTS.split(", "))
_OLD = ", ".join(f"day.{name}" for name in _COUNTS.split(", "))
# OFFSET 0 keeps this an index scan for each day, whatever the planner thinks of a month that it
# has no statistics of. The second pair of bounds says nothing new: as constants they let it skip
# partitions. Counting by thread first is cheaper than sorting for count(DISTINCT thread).
_RECOUNT = f"""
    SELECT {_OLD_KEY}, sum(event_count) AS event_count, {_SUMS},
           (sum(event_count) - ({_COUNTED_OLD_BY_KIND}))::integer AS other_count,
           count(thread) AS thread_count
    FROM (
        SELECT touched.member_id, touched.community_id, touched.day, event.thread,
               count(event.thread) AS event_count, {_OLD_BY_KIND}
        FROM touched_days touched LEFT JOIN LATERAL (
            SELECT kind, thread
            FROM members_activityevent
            WHERE community_id = touched.community_id
              AND member_id = touched.member_id
              AND occurred_at >= touched.day::timestamp AT TIME ZONE %(zone)s
              AND occurred_at < (touched.day + 1)::timestamp AT TIME ZONE %(zone)s
              AND occurred_at >= %(since)s
              AND occurred_at < %(until)s
            OFFSET 0
        ) event ON true
        WHERE {{which}}
        GROUP BY touched.member_id, touched.community_id, touched.day, event.thread
    ) by_thread
    GROUP BY {_OLD_KEY}
"""  # noqa: S608 - names of our own; every value is bound
_WITHOUT_A_ROW = """NOT EXISTS (
            SELECT FROM members_memberday day
            WHERE (day.member_id, day.community_id, day.day)
                = (touched.member_id, touched.community_id, touched.day)
        )"""

INSERT_NEW = f"""
WITH made AS (
    INSERT INTO members_memberday (enterprise_id, {_OLD_KEY}, {_COUNTS})
    SELECT %(enterprise)s, {_OLD_KEY}, {_COUNTS}
    FROM (
        {_RECOUNT.format(which=_WITHOUT_A_ROW)}
    ) counted
    WHERE event_count > 0
    ORDER BY {_OLD_KEY}
    ON CONFLICT ({_OLD_KEY}) DO NOTHING
    RETURNING {_OLD_KEY}
)
DELETE FROM touched_days touched USING made
WHERE (touched.member_id, touched.community_id, touched.day)
    = (made.member_id, made.community_id, made.day)
"""  # noqa: S608 - names of our own; every value is bound
LOCK_OLD = f"""
UPDATE touched_days touched SET is_locked = true
FROM (
    SELECT day.member_id, day.community_id, day.day
    FROM members_memberday day JOIN touched_days USING ({_OLD_KEY})
    ORDER BY {_OLD_KEY}
    FOR NO KEY UPDATE OF day
) locked
WHERE (touched.member_id, touched.community_id, touched.day)
    = (locked.member_id, locked.community_id, locked.day)
"""  # noqa: S608 - names of our own; every value is bound
UPDATE_OLD = f"""
WITH counted AS (
    {_RECOUNT.format(which="touched.is_locked")}
), changed AS (
    UPDATE members_memberday day SET ({_COUNTS}) = ROW({_ROW})
    FROM counted
    WHERE (day.member_id, day.community_id, day.day)
        = (counted.member_id, counted.community_id, counted.day)
      AND counted.event_count > 0
      AND ({_OLD}) IS DISTINCT FROM ({_ROW})
    RETURNING 1
), emptied AS (
    DELETE FROM members_memberday day USING counted
    WHERE (day.member_id, day.community_id, day.day)
        = (counted.member_id, counted.community_id, counted.day)
      AND counted.event_count = 0
    RETURNING 1
), done AS (
    DELETE FROM touched_days WHERE is_locked RETURNING 1
)
SELECT (SELECT count(*) FROM done),
       (SELECT count(*) FROM changed) + (SELECT count(*) FROM emptied)
"""  # noqa: S608 - names of our own; every value is bound


@dataclass(frozen=True)
class Window:
    """Whose days are counted, and instants between which all their events lie."""

    enterprise_id: int
    zone: str
    since: datetime
    until: datetime

    def parameters(self) -> dict[str, int | str | datetime]:
        return {
            "enterprise": self.enterprise_id,
            "zone": self.zone,
            "since": self.since,
            "until": self.until,
        }


@dataclass(frozen=True)
class Recount:
    """How many days were counted, and how many rows were not yet what the count says."""

    days: int
    written: int


def prepare_touched(cursor: CursorWrapper) -> None:
    temporary_table(cursor, TOUCHED, TOUCHED_COLUMNS)


def recount_touched(window: Window) -> Recount:
    """Bring the rows of the days in ``touched_days`` to what the events say.

    First the days nobody has a row for; who makes such a row holds its key until the end of the
    transaction. Then the others, locked before they are counted in a statement of its own, which
    sees what the former holder of the lock committed. A row that vanished in between (a rebuild
    found the day empty) makes a second round.
    """
    values = window.parameters()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM touched_days")
        (left,) = cursor.fetchone()
        touched, written = int(left), 0
        while left:
            cursor.execute(INSERT_NEW, values)
            inserted = affected(cursor)
            left -= inserted
            written += inserted
            if not left:
                break
            cursor.execute(LOCK_OLD)
            cursor.execute(UPDATE_OLD, values)
            done, changed = cursor.fetchone()
            if not done:
                break  # what remains has neither events nor a row
            left -= done
            written += changed
    return Recount(touched, written)
