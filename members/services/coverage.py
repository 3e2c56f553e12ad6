"""From when to when a source has listened to a community, whether or not anybody spoke."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from communities.models import Community

EXTEND = """
INSERT INTO members_activitycoverage AS coverage (community_id, source, covered_from, covered_to)
VALUES (%(community)s, %(source)s, %(since)s, %(until)s)
ON CONFLICT (community_id, source) DO UPDATE
SET covered_from = least(coverage.covered_from, EXCLUDED.covered_from),
    covered_to = greatest(coverage.covered_to, EXCLUDED.covered_to)
WHERE coverage.covered_from > EXCLUDED.covered_from
   OR coverage.covered_to < EXCLUDED.covered_to
"""


@dataclass(frozen=True)
class Covered:
    community: Community
    since: datetime
    until: datetime


@transaction.atomic
def extend_coverage(periods: Iterable[Covered], *, source: str) -> None:
    """Take a source's word that it listened. Coverage only grows, and has no gaps.

    Events extend it by themselves; a source that hears nothing has to say that it is there, or
    after some days its silence is taken for not listening.
    """
    with connection.cursor() as cursor:
        for period in sorted(periods, key=lambda period: period.community.pk):
            values: dict[str, int | str | datetime] = {
                "community": period.community.pk,
                "source": source,
                "since": period.since,
                "until": period.until,
            }
            cursor.execute(EXTEND, values)
