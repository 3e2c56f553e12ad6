"""From when to when a source has listened to a community, whether or not anybody spoke."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from communities.models import Community
from members.models import ActivityCoverage
from members.rules.activity import COVERAGE_GAP
from scrm.shared.prepared import run_prepared

# Periods that others of the same source are about to write can not be seen, so who changes them
# does it alone. Nobody waits who has nothing to change. The lock comes last in a transaction, in
# the order of the communities.
NEWS = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%(communities)s::bigint[], %(since)s::timestamptz[],
                         %(until)s::timestamptz[]) given (community_id, since, until)
    WHERE NOT EXISTS (
        SELECT FROM members_activitycoverage known
        WHERE known.community_id = given.community_id AND known.source = %(source)s
          AND known.covered_from <= given.since AND known.covered_to >= given.until
    )
    ORDER BY community_id, since
), locked AS MATERIALIZED (
    SELECT community_id,
           pg_advisory_xact_lock(%(lock)s, hashtext(community_id || ':' || %(source)s))
    FROM (SELECT DISTINCT community_id FROM given ORDER BY community_id) concerned
)
SELECT given.community_id, since, until FROM given JOIN locked USING (community_id)
"""
# Known periods within the gap of a given one and the given ones, ordered by their beginnings; a
# piece that begins further than the gap behind all before it begins a period. A known one is moved,
# so that a source that goes on changes one row.
GROW = """
WITH given AS (
    SELECT * FROM unnest(%(communities)s::bigint[], %(since)s::timestamptz[],
                         %(until)s::timestamptz[]) given (community_id, since, until)
), pieces AS (
    SELECT NULL::bigint AS id, community_id, since, until FROM given
    UNION
    SELECT known.id, known.community_id, known.covered_from, known.covered_to
    FROM given JOIN members_activitycoverage known USING (community_id)
    WHERE known.source = %(source)s
      AND known.covered_from <= given.until + %(gap)s
      AND known.covered_to >= given.since - %(gap)s
), marked AS (
    SELECT *, coalesce(since > max(until) OVER earlier + %(gap)s, true)::integer AS begins
    FROM pieces
    WINDOW earlier AS (
        PARTITION BY community_id ORDER BY since, until
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
), numbered AS (
    SELECT *, sum(begins) OVER (PARTITION BY community_id ORDER BY since, until
                                ROWS UNBOUNDED PRECEDING) AS number
    FROM marked
), periods AS (
    SELECT community_id, min(since) AS since, max(until) AS until, min(id) AS kept,
           array_agg(id) FILTER (WHERE id IS NOT NULL) AS known
    FROM numbered GROUP BY community_id, number
), swallowed AS (
    DELETE FROM members_activitycoverage old USING periods
    WHERE old.id = ANY(periods.known) AND old.id <> periods.kept
), grown AS (
    UPDATE members_activitycoverage known SET covered_from = since, covered_to = until
    FROM periods
    WHERE known.id = periods.kept
      AND (known.covered_from, known.covered_to) IS DISTINCT FROM (since, until)
)
INSERT INTO members_activitycoverage (community_id, source, covered_from, covered_to)
SELECT community_id, %(source)s, since, until FROM periods WHERE kept IS NULL
ORDER BY community_id, since
"""
LOCK = 0xC0E7A6E  # an advisory lock: one writer of the periods of a community and source at a time


class Span(NamedTuple):
    """A source has listened to a community from ``since`` to ``until``."""

    community_id: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Covered:
    community: Community
    since: datetime
    until: datetime


def extend_coverage(periods: Iterable[Covered], *, source: str) -> None:
    """Take a source's word that it listened. Coverage only grows.

    Events extend it by themselves; a source that hears nothing has to say that it is there, or
    after some days its silence is taken for not listening.
    """
    spans = [Span(one.community.pk, one.since, one.until) for one in periods]
    if spans:
        cover(spans, source=source)


@transaction.atomic(savepoint=False)
def cover(spans: Iterable[Span], *, source: str) -> None:
    """Add spans to the periods of a source. Whatever comes closer than ``COVERAGE_GAP`` grows
    together, so the result does not depend on the order of arrival. Call it last in a
    transaction."""
    values: dict[str, Any] = {"source": source, "lock": LOCK, "gap": COVERAGE_GAP}
    news = [Span(*row) for row in run_prepared(NEWS, values | _columns(spans))]
    if news:
        with connection.cursor() as cursor:
            cursor.execute(GROW, values | _columns(news))


def _columns(spans: Iterable[Span]) -> dict[str, list[int] | list[datetime]]:
    spans = list(spans)
    return {
        "communities": [span.community_id for span in spans],
        "since": [span.since for span in spans],
        "until": [span.until for span in spans],
    }


def is_covered(community_id: int, since: datetime, until: datetime) -> bool:
    """Whether one source listened the whole time from ``since`` to ``until``."""
    known = ActivityCoverage.objects.filter(community=community_id)
    return known.measuring(since, until).exists()
