"""What each member did on each local day, always by counting the events again.

A day is counted under the lock of its row and after all older writers of that row committed, so
two batches that touch the same day at once leave the count of both.
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

TOUCHED = "touched_days"
TOUCHED_COLUMNS = """community_id bigint, member_id bigint, day date,
    is_locked boolean NOT NULL DEFAULT false"""

# Fixed names and kinds of our own; every value is bound.
_COUNTS = ", ".join([*COUNTERS, "other_count", "thread_count"])
_BY_KIND = ", ".join(
    f"count(*) FILTER (WHERE event.kind = '{kind}') AS {column}"
    for column, kind in COUNTERS.items()
)
_SUMS = ", ".join(f"sum({column})::integer AS {column}" for column in COUNTERS)
_COUNTED_BY_KIND = " + ".join(f"sum({column})" for column in COUNTERS)
_KEY = "member_id, community_id, day"
_ROW = ", ".join(f"counted.{name}" for name in _COUNTS.split(", "))
_OLD = ", ".join(f"day.{name}" for name in _COUNTS.split(", "))
# OFFSET 0 keeps this an index scan for each day, whatever the planner thinks of a month that it
# has no statistics of. The second pair of bounds says nothing new: as constants they let it skip
# partitions. Counting by thread first is cheaper than sorting for count(DISTINCT thread).
_RECOUNT = f"""
    SELECT {_KEY}, sum(event_count) AS event_count, {_SUMS},
           (sum(event_count) - ({_COUNTED_BY_KIND}))::integer AS other_count,
           count(thread) AS thread_count
    FROM (
        SELECT touched.member_id, touched.community_id, touched.day, event.thread,
               count(event.thread) AS event_count, {_BY_KIND}
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
    GROUP BY {_KEY}
"""  # noqa: S608 - names of our own; every value is bound
_WITHOUT_A_ROW = """NOT EXISTS (
            SELECT FROM members_memberday day
            WHERE (day.member_id, day.community_id, day.day)
                = (touched.member_id, touched.community_id, touched.day)
        )"""

INSERT_NEW = f"""
WITH made AS (
    INSERT INTO members_memberday (enterprise_id, {_KEY}, {_COUNTS})
    SELECT %(enterprise)s, {_KEY}, {_COUNTS}
    FROM (
        {_RECOUNT.format(which=_WITHOUT_A_ROW)}
    ) counted
    WHERE event_count > 0
    ORDER BY {_KEY}
    ON CONFLICT ({_KEY}) DO NOTHING
    RETURNING {_KEY}
)
DELETE FROM touched_days touched USING made
WHERE (touched.member_id, touched.community_id, touched.day)
    = (made.member_id, made.community_id, made.day)
"""  # noqa: S608 - names of our own; every value is bound
LOCK_OLD = f"""
UPDATE touched_days touched SET is_locked = true
FROM (
    SELECT day.member_id, day.community_id, day.day
    FROM members_memberday day JOIN touched_days USING ({_KEY})
    ORDER BY {_KEY}
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
