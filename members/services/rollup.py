"""What people did on each local day: the statements that count events, in one place.

A day's row can be added to in any order: counts are summed, the local hours are a union of bits
and the threads a union of digests. So a batch adds what it stored, without looking at the events
that were there before, and a recount with the same expressions gives the same row.
"""

from __future__ import annotations

from members.rules.activity import COUNTERS

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
        # nearly always the threads are known already
        """threads = CASE WHEN kept.threads @> EXCLUDED.threads THEN kept.threads ELSE (
            SELECT array_agg(digest ORDER BY digest) FROM (
                SELECT unnest(kept.threads) UNION SELECT unnest(EXCLUDED.threads)
            ) united (digest)
        ) END""",
        """thread_count = CASE WHEN kept.threads @> EXCLUDED.threads THEN kept.thread_count ELSE
            kept.thread_count + (
                SELECT count(*) FROM unnest(EXCLUDED.threads) digest
                WHERE digest <> ALL (kept.threads)
            ) END""",
    ]
)

#: The part of the statement that stores events which adds them to the days, in the transaction of
#: the events. It follows a CTE ``stored`` with the columns community_id, member_id, staff_id,
#: occurred_at, kind and thread, and binds ``enterprise`` and ``zone``. Rows are taken in the order
#: of their keys by everybody, so batches that overlap wait for one another but never in a circle.
#: A day in the past leaves a mark, for its snapshot: who makes that anew deletes the mark first,
#: and so waits for those who still write. Marks are read from what was added, so they come last:
#: of statements that do not read each other PostgreSQL runs the later one first.
ADD_DAYS = f""", counted_member_days AS ({member_days_of("stored")}
), added_member_days AS (
    INSERT INTO members_memberday AS kept (enterprise_id, {MEMBER_KEY}, {MEMBER_VALUES})
    SELECT %(enterprise)s, {MEMBER_KEY}, {MEMBER_VALUES}
    FROM counted_member_days ORDER BY {MEMBER_KEY}
    ON CONFLICT ({MEMBER_KEY}) DO UPDATE SET {_ADD_TO_MEMBER_DAY}
    RETURNING kept.community_id, kept.day
), counted_staff_days AS ({staff_days_of("stored")}
), added_staff_days AS (
    INSERT INTO members_staffday AS kept (enterprise_id, {STAFF_KEY}, {STAFF_VALUES})
    SELECT %(enterprise)s, {STAFF_KEY}, {STAFF_VALUES}
    FROM counted_staff_days ORDER BY {STAFF_KEY}
    ON CONFLICT ({STAFF_KEY}) DO UPDATE
    SET message_count = kept.message_count + EXCLUDED.message_count,
        other_count = kept.other_count + EXCLUDED.other_count
    RETURNING kept.community_id, kept.day
), late_days AS (
    INSERT INTO members_staleday AS mark (community_id, day)
    SELECT community_id, day FROM added_member_days
    WHERE day < ((now() + interval '1 hour') AT TIME ZONE %(zone)s)::date - 1
    UNION
    SELECT community_id, day FROM added_staff_days
    WHERE day < ((now() + interval '1 hour') AT TIME ZONE %(zone)s)::date - 1
    ORDER BY community_id, day
    ON CONFLICT (community_id, day) DO UPDATE SET marked_at = EXCLUDED.marked_at
)"""  # noqa: S608 - names of our own; every value is bound
