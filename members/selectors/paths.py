"""What members did in the 30 days before their first order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import connection

from communities.models import Community
from members.metrics.purchases import CURRENCY
from members.rules.paths import STEPS, PathStep

PATH_DAYS = 30
PATH_LIMIT = 20

_STEP = " ".join(f"WHEN '{kind.value}' THEN '{step.value}'" for kind, step in STEPS.items())
# The constant bounds of occurred_at let the planner skip partitions; the others are per buyer.
PATHS = f"""
WITH buyers AS (
    SELECT DISTINCT ON (bought.member_id) bought.member_id, bought.paid_at,
           membership.joined_at, bought.paid_at - make_interval(days => %(before)s) AS since
    FROM members_purchase bought JOIN members_membership membership
      ON membership.member_id = bought.member_id AND membership.community_id = %(community)s
     AND membership.joined_at <= bought.paid_at
     AND (membership.left_at IS NULL OR membership.left_at >= bought.paid_at)
    WHERE bought.enterprise_id = %(enterprise)s AND bought.currency = %(currency)s
      AND bought.paid_at >= %(since)s AND bought.paid_at < %(until)s
      AND bought.refunded_amount < bought.paid_amount
      AND NOT EXISTS (
        SELECT FROM members_purchase earlier
        WHERE earlier.member_id = bought.member_id AND earlier.currency = bought.currency
          AND earlier.refunded_amount < earlier.paid_amount
          AND (earlier.paid_at, earlier.id) < (bought.paid_at, bought.id))
    ORDER BY bought.member_id, bought.paid_at, membership.joined_at DESC
), steps AS (
    SELECT member_id, '{PathStep.JOINED.value}' AS step, joined_at AS at FROM buyers
    WHERE joined_at >= since
    UNION ALL
    SELECT buyers.member_id, event.step, event.at
    FROM buyers CROSS JOIN LATERAL (
        SELECT CASE kind {_STEP} ELSE '{PathStep.TOOK_PART.value}' END AS step,
               min(occurred_at) AS at
        FROM members_activityevent
        WHERE community_id = %(community)s AND member_id = buyers.member_id
          AND occurred_at >= buyers.since AND occurred_at <= buyers.paid_at
          AND occurred_at >= %(since)s - make_interval(days => %(before)s)
          AND occurred_at < %(until)s
        GROUP BY 1
    ) event
), ways AS (
    SELECT coalesce(array_agg(steps.step ORDER BY steps.at, steps.step <> 'joined', steps.step)
                        FILTER (WHERE steps.step IS NOT NULL), '{{}}') AS way
    FROM buyers LEFT JOIN steps USING (member_id)
    GROUP BY buyers.member_id
)
SELECT way, count(*), count(*)::float8 / sum(count(*)) OVER () FROM ways
GROUP BY way ORDER BY 2 DESC, way LIMIT %(limit)s
"""  # noqa: S608 - names of our own; every value is bound


@dataclass(frozen=True, slots=True)
class Path:
    """``steps`` are values of ``PathStep``, each once, in the order of its first time; none: the
    order came without any sign. ``share`` is of all first buyers of the period, 0 to 1."""

    steps: tuple[str, ...]
    buyers: int
    share: float


def conversion_paths(community: Community, *, since: date, until: date) -> list[Path]:
    """The most frequent ways to a first order paid on the local days from ``since`` to ``until``
    by somebody who was in the community then, at most 20, the most frequent first."""
    zone = community.enterprise.zone
    values: dict[str, int | str | date] = {
        "enterprise": community.enterprise_id,
        "community": community.pk,
        "currency": CURRENCY,
        "since": datetime.combine(since, time.min, tzinfo=zone),
        "until": datetime.combine(until + timedelta(days=1), time.min, tzinfo=zone),
        "before": PATH_DAYS,
        "limit": PATH_LIMIT,
    }
    with connection.cursor() as cursor:
        cursor.execute(PATHS, values)
        return [Path(tuple(way), buyers, share) for way, buyers, share in cursor.fetchall()]
