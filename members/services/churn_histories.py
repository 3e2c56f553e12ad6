"""What members did before a cut-off, read as arrays: one GROUP BY, one pass, no row in Python.

Everything is from days before the cut-off, so whatever happens from then on changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import TYPE_CHECKING

import numpy as np

from members.rules.churn import HORIZON_DAYS, MINIMUM_DAYS, RECENT_DAYS, WEEKS
from members.rules.churn_scoring import HISTORY, Numbers
from members.selectors.profiling import may_be_profiled
from members.services.array_rows import read_rows
from scrm.accounts.models import Enterprise
from scrm.shared.sql import Sql, named_sql, sql

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

EVERYBODY = 1000  # of a thousand

HISTORIES = """
WITH eligible AS MATERIALIZED (
    SELECT membership.community_id, membership.member_id
    FROM members_membership membership
    WHERE membership.community_id = ANY({communities})
      AND membership.member_id > {after} AND membership.member_id <= {upto}
      AND (membership.left_at IS NULL {or_left})
      AND mod(hashint8(membership.member_id)::bigint + 2147483648, 1000) < {permille}
      AND {may}
), known AS (
    SELECT day.community_id, day.member_id, day.day, day.thread_count,
           day.message_count + day.post_count + day.comment_count + day.checkin_count
           + day.click_count + day.other_count AS signs
    FROM eligible JOIN members_memberday day
      ON day.member_id = eligible.member_id AND day.community_id = eligible.community_id
    WHERE day.community_id = ANY({communities})
      AND day.member_id > {after} AND day.member_id <= {upto}
      AND day.day < {cutoff}
)
SELECT community_id, member_id,
    min(day) - DATE '2000-01-01', max(day) - DATE '2000-01-01',
    count(*)::integer, sum(signs)::bigint,
    (count(*) FILTER (WHERE day >= {cutoff} - 14))::integer,
    (count(*) FILTER (WHERE day >= {cutoff} - 28))::integer,
    (count(*) FILTER (WHERE day >= {cutoff} - 112))::integer,
    coalesce(sum(signs) FILTER (WHERE day >= {cutoff} - 28), 0)::bigint,
    coalesce(sum(signs) FILTER (WHERE day < {cutoff} - 28 AND day >= {cutoff} - 56), 0)::bigint,
    coalesce(sum(thread_count) FILTER (WHERE day >= {cutoff} - 28), 0)::bigint,
    coalesce(
        bit_or(1 << (({cutoff} - 1 - day) / 7)) FILTER (WHERE day >= {cutoff} - {weeks} * 7), 0
    )
FROM known
GROUP BY community_id, member_id
HAVING count(*) >= {minimum} AND max(day) >= {seen_from}
"""
LABELLED = """
SELECT history.*, (EXISTS (
    SELECT FROM members_memberday later
    WHERE later.member_id = history.member_id AND later.community_id = history.community_id
      AND later.day >= {cutoff} AND later.day < {until}
))::integer
FROM ({histories}) history
"""
LABELLED_HISTORY = np.dtype([*HISTORY.descr, ("came_back", "i4")])
LONG_AGO = date(1900, 1, 1)
NO_MORE_MEMBERS = 2**63 - 1


def histories_of(
    cursor: CursorWrapper,
    enterprise: Enterprise,
    communities: Sequence[int],
    *,
    cutoff: date,
    after: int = 0,
    upto: int = NO_MORE_MEMBERS,
    permille: int = EVERYBODY,
) -> Numbers:
    """Of everybody who belongs today, may be profiled, and has shown a rhythm before the cut-off,
    among the members ``after`` to ``upto``. ``permille``: see ``labelled_histories``."""
    query = histories_query(
        enterprise,
        communities,
        cutoff=cutoff,
        after=after,
        upto=upto,
        permille=permille,
    )
    return read_rows(cursor, query, HISTORY)


def labelled_histories(
    cursor: CursorWrapper,
    enterprise: Enterprise,
    communities: Sequence[int],
    *,
    cutoff: date,
    permille: int = EVERYBODY,
) -> Numbers:
    """Of everybody last seen shortly before the cut-off, with whether they came back within the
    horizon. Who left before its end is not among them: they were not silent but gone.

    ``permille``: only so many of a thousand members, always the same ones.
    """
    until = cutoff + timedelta(days=HORIZON_DAYS)
    query = named_sql(
        LABELLED,
        cutoff=cutoff,
        until=until,
        histories=histories_query(
            enterprise,
            communities,
            cutoff=cutoff,
            seen_from=cutoff - timedelta(days=RECENT_DAYS),
            stayed_until=_midnight(until, enterprise),
            permille=permille,
        ),
    )
    return read_rows(cursor, query, LABELLED_HISTORY)


def histories_query(
    enterprise: Enterprise,
    communities: Sequence[int],
    *,
    cutoff: date,
    seen_from: date = LONG_AGO,
    after: int = 0,
    upto: int = NO_MORE_MEMBERS,
    stayed_until: datetime | None = None,
    permille: int = EVERYBODY,
) -> Sql:
    """The statement of both. ``stayed_until``: who has left only from then on is taken along."""
    or_left = sql("OR membership.left_at >= {}", stayed_until) if stayed_until else Sql("")
    return named_sql(
        HISTORIES,
        communities=list(communities),
        after=after,
        upto=upto,
        or_left=or_left,
        permille=permille,
        may=may_be_profiled(enterprise, "membership.member_id"),
        cutoff=sql("{}::date", cutoff),
        weeks=WEEKS,
        minimum=MINIMUM_DAYS,
        seen_from=seen_from,
    )


def _midnight(day: date, enterprise: Enterprise) -> datetime:
    return datetime.combine(day, time_of_day.min, tzinfo=enterprise.zone)
