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

# The days are added up before it is asked who may be scored: so they are read in one pass, in the
# order in which they lie. Joined first, each day would be fetched by itself.
HISTORIES = """
SELECT history.* FROM (
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
    FROM (
        SELECT day.community_id, day.member_id, day.day, day.thread_count,
               day.message_count + day.post_count + day.comment_count + day.checkin_count
               + day.click_count + day.other_count AS signs
        FROM members_memberday day
        WHERE day.community_id = ANY({communities}) AND day.day < {cutoff} {among}
    ) known
    GROUP BY community_id, member_id
    HAVING count(*) >= {minimum} AND max(day) >= {seen_from}
) history
WHERE EXISTS (
    SELECT FROM members_membership membership
    WHERE membership.community_id = history.community_id
      AND membership.member_id = history.member_id
      AND (membership.left_at IS NULL {or_left})
)
  AND {may}
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
    sample: Sequence[int] | None = None,
) -> Numbers:
    """Of everybody who belongs today, may be profiled, and has shown a rhythm before the cut-off,
    among the members ``after`` to ``upto`` or of a sample."""
    query = histories_query(
        enterprise,
        communities,
        cutoff=cutoff,
        after=after,
        upto=upto,
        sample=sample,
    )
    return read_rows(cursor, query, HISTORY)


def labelled_histories(
    cursor: CursorWrapper,
    enterprise: Enterprise,
    communities: Sequence[int],
    *,
    cutoff: date,
    sample: Sequence[int] | None = None,
) -> Numbers:
    """Of everybody last seen shortly before the cut-off, with whether they came back within the
    horizon. Who left before its end is not among them: they were not silent but gone."""
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
            sample=sample,
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
    sample: Sequence[int] | None = None,
) -> Sql:
    """The statement of both. ``stayed_until``: who has left only from then on is taken along."""
    or_left = sql("OR membership.left_at >= {}", stayed_until) if stayed_until else Sql("")
    if sample is not None:
        among = sql("AND day.member_id = ANY({})", list(sample))
    else:
        among = sql("AND day.member_id > {} AND day.member_id <= {}", after, upto)
    return named_sql(
        HISTORIES,
        communities=list(communities),
        among=among,
        or_left=or_left,
        may=may_be_profiled(enterprise, "history.member_id"),
        cutoff=sql("{}::date", cutoff),
        weeks=WEEKS,
        minimum=MINIMUM_DAYS,
        seen_from=seen_from,
    )


def _midnight(day: date, enterprise: Enterprise) -> datetime:
    return datetime.combine(day, time_of_day.min, tzinfo=enterprise.zone)
