"""Counting days again from what they were counted from: to compare, or to put them right.

A comparison is one statement, so it sees events and days of one moment, whoever writes meanwhile.
To put rows right they are locked first; a later statement, which sees what the former holders of
the locks committed, counts and writes. Who adds meanwhile waits, and adds to the right row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from members.services.rollup import (
    MEMBER_KEY,
    MEMBER_VALUES,
    STAFF_KEY,
    STAFF_VALUES,
    member_days_of,
    staff_days_of,
)
from members.services.staging import temporary_table
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

ONE_DAY = timedelta(days=1)
ROUNDS = 20  # a round more for rows that others made meanwhile; they are few
EXAMPLES = 5

_EVENTS = " AND {scope} AND occurred_at >= %(since)s AND occurred_at < %(until)s"
_PURCHASES = """
    SELECT member_id, (paid_at AT TIME ZONE %(zone)s)::date AS day, currency,
           count(*) AS order_count,
           count(*) FILTER (WHERE refunded_amount < paid_amount) AS standing_count,
           sum(paid_amount - refunded_amount) AS net_amount
    FROM members_purchase
    WHERE {scope} AND paid_at >= %(since)s AND paid_at < %(until)s
    GROUP BY 1, 2, 3"""
PURCHASE_KEY = "member_id, currency, day"


@dataclass(frozen=True)
class Ledger:
    """A table of days: its key in the order of locking, its values, and how they are counted."""

    table: str
    key: str
    values: str
    counted: str
    has_communities: bool = True


MEMBERS = Ledger(
    "members_memberday",
    MEMBER_KEY,
    MEMBER_VALUES,
    member_days_of("members_activityevent", only=_EVENTS),
)
STAFF = Ledger(
    "members_staffday",
    STAFF_KEY,
    STAFF_VALUES,
    staff_days_of("members_activityevent", only=_EVENTS),
)
PURCHASES = Ledger(
    "members_purchaseday",
    PURCHASE_KEY,
    "order_count, standing_count, net_amount",
    _PURCHASES,
    has_communities=False,
)


@dataclass(frozen=True)
class Range:
    """Local days of an enterprise, or of one of its communities. Both ends belong to it."""

    enterprise: Enterprise
    first: date
    last: date
    community_id: int | None = None

    @property
    def scope(self) -> str:
        one = "" if self.community_id is None else " AND community_id = %(community)s"
        return f"enterprise_id = %(enterprise)s{one}"

    def parameters(self) -> dict[str, Any]:
        zone = self.enterprise.zone
        return {
            "enterprise": self.enterprise.pk,
            "community": self.community_id,
            "zone": self.enterprise.time_zone,
            "first": self.first,
            "last": self.last,
            "since": datetime.combine(self.first, time.min, tzinfo=zone),
            "until": datetime.combine(self.last + ONE_DAY, time.min, tzinfo=zone),
        }


@dataclass(frozen=True)
class Recount:
    """How many days were counted, and how many rows were not yet what the count says."""

    days: int
    written: int

    def __add__(self, other: Recount) -> Recount:
        return Recount(self.days + other.days, self.written + other.written)


@dataclass(frozen=True)
class Comparison:
    """How many days there are, how many rows are wrong, missing or unfounded, and some of them."""

    days: int
    wrong: int
    examples: Sequence[dict[str, Any]] = ()

    def __add__(self, other: Comparison) -> Comparison:
        examples = [*self.examples, *other.examples][:EXAMPLES]
        return Comparison(self.days + other.days, self.wrong + other.wrong, examples)


def _of(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in columns.split(", "))


# Names of our own throughout; every value is bound.
_COMPARE = """
WITH counted AS MATERIALIZED ({counted}
), kept AS (
    SELECT {key}, {values} FROM {table}
    WHERE {scope} AND day BETWEEN %(first)s AND %(last)s
), compared AS (
    SELECT {key}, counted.day IS NOT DISTINCT FROM kept.day AND ({ours}) = ({theirs}) AS is_right,
           CASE WHEN kept IS NULL THEN 'missing' WHEN counted IS NULL THEN 'unfounded'
                ELSE 'wrong' END AS problem
    FROM counted FULL JOIN kept USING ({key})
)
SELECT count(*), count(*) FILTER (WHERE is_right IS NOT TRUE), (
    SELECT jsonb_agg(to_jsonb(example) - 'is_right') FROM (
        SELECT * FROM compared WHERE is_right IS NOT TRUE ORDER BY {key} LIMIT %(examples)s
    ) example
) FROM compared
"""
_LOCK = """
INSERT INTO locked_days (id)
SELECT id FROM {table} WHERE {scope} AND day BETWEEN %(first)s AND %(last)s
ORDER BY {key} FOR NO KEY UPDATE
"""
_CORRECT = """
WITH counted AS MATERIALIZED ({counted}
), made AS (
    INSERT INTO {table} (enterprise_id, {key}, {values})
    SELECT %(enterprise)s, {key}, {values} FROM counted
    WHERE NOT EXISTS (SELECT FROM {table} kept WHERE ({kept_key}) = ({counted_key}))
    ORDER BY {key}
    ON CONFLICT ({key}) DO NOTHING
    RETURNING {key}
), changed AS (
    UPDATE {table} kept SET ({values}) = ROW({ours})
    FROM counted
    WHERE ({kept_key}) = ({counted_key}) AND kept.id IN (SELECT id FROM locked_days)
      AND ({theirs}) IS DISTINCT FROM ({ours})
    RETURNING {kept_key}
), emptied AS (
    DELETE FROM {table} kept
    WHERE kept.id IN (SELECT id FROM locked_days)
      AND NOT EXISTS (SELECT FROM counted WHERE ({kept_key}) = ({counted_key}))
    RETURNING {kept_key}
){mark}
SELECT (SELECT count(*) FROM counted),
       (SELECT count(*) FROM made) + (SELECT count(*) FROM changed)
           + (SELECT count(*) FROM emptied),
       (
           SELECT count(*) FROM counted
           LEFT JOIN {table} kept ON ({kept_key}) = ({counted_key})
           LEFT JOIN made ON ({made_key}) = ({counted_key})
           WHERE made.day IS NULL AND ({theirs}) IS DISTINCT FROM ({ours})
             AND (kept.id IS NULL OR kept.id NOT IN (SELECT id FROM locked_days))
       )
"""
_MARK = """, late AS (
    INSERT INTO members_staleday AS mark (community_id, day)
    SELECT DISTINCT community_id, day FROM (
        SELECT community_id, day FROM made UNION ALL
        SELECT community_id, day FROM changed UNION ALL
        SELECT community_id, day FROM emptied
    ) touched
    WHERE day < ((now() + interval '1 hour') AT TIME ZONE %(zone)s)::date - 1
    ORDER BY community_id, day
    ON CONFLICT (community_id, day) DO UPDATE SET marked_at = EXCLUDED.marked_at
)"""


def _statement(template: str, ledger: Ledger, within: Range) -> str:
    return template.format(
        table=ledger.table,
        key=ledger.key,
        values=ledger.values,
        counted=ledger.counted.format(scope=within.scope),
        scope=within.scope,
        ours=_of("counted", ledger.values),
        theirs=_of("kept", ledger.values),
        kept_key=_of("kept", ledger.key),
        counted_key=_of("counted", ledger.key),
        made_key=_of("made", ledger.key),
        mark=_MARK if ledger.has_communities else "",
    )


def compare(ledger: Ledger, within: Range) -> Comparison:
    """Whether the rows of the range are what a count says, at one moment."""
    with transaction.atomic(), connection.cursor() as cursor:
        _take_time(cursor)
        cursor.execute(
            _statement(_COMPARE, ledger, within), {**within.parameters(), "examples": EXAMPLES}
        )
        days, wrong, examples = cursor.fetchone()
    return Comparison(days, wrong, json.loads(examples) if examples else ())


def recount(ledger: Ledger, within: Range) -> Recount:
    """Bring the rows of the range to what a count says; what is right is not written.

    Each round is a transaction of its own: rows that others have made meanwhile could not be
    locked in their order after the first ones.
    """
    written, days = 0, 0
    for _round in range(ROUNDS):
        days, changed, left = _round_of(ledger, within)
        written += changed
        if not left:
            break
    return Recount(days, written)


@transaction.atomic
def _round_of(ledger: Ledger, within: Range) -> tuple[int, int, int]:
    """How many days were counted, how many rows written, and how many could not be yet."""
    values = within.parameters()
    with connection.cursor() as cursor:
        _take_time(cursor)
        temporary_table(cursor, "locked_days", "id bigint PRIMARY KEY")
        cursor.execute(_statement(_LOCK, ledger, within), values)
        cursor.execute(_statement(_CORRECT, ledger, within), values)
        days, changed, left = cursor.fetchone()
    return days, changed, left


def _take_time(cursor: CursorWrapper) -> None:
    cursor.execute("SET LOCAL statement_timeout = '20min'")
