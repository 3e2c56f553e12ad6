"""How many of those who joined in a week are still active later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connection

from communities.models import Community
from members.models import CommunityDay
from members.rules.insight import NO_COHORT, small_number
from scrm.shared.figures import Figure

COHORT_WEEKS = 12
WEEK = timedelta(days=7)
WEEK_4 = 4
POOLED = 4  # join weeks in one figure

# Who joins again belongs to the week of the first time. Row 0 of a week holds who joined.
COHORTS = """
WITH newcomers AS (
    SELECT member_id, min((joined_at AT TIME ZONE %(zone)s)::date) AS day
    FROM members_membership WHERE community_id = %(community)s GROUP BY member_id
    HAVING min((joined_at AT TIME ZONE %(zone)s)::date) >= %(first)s
       AND min((joined_at AT TIME ZONE %(zone)s)::date) < %(first)s::date + 7 * %(weeks)s
)
SELECT date_trunc('week', day)::date, -1, count(*) FROM newcomers GROUP BY 1
UNION ALL
SELECT date_trunc('week', newcomers.day)::date, (active.day - newcomers.day) / 7,
       count(DISTINCT active.member_id)
FROM newcomers JOIN members_memberday active
  ON active.member_id = newcomers.member_id AND active.community_id = %(community)s
 AND active.day >= newcomers.day AND active.day < newcomers.day + 7 * %(weeks)s
 AND active.day <= %(until)s
GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Who joined in the week that began on the Monday ``week``. ``cells[k]`` is the share, 0 to 1,
    active on the days 7k to 7k + 6 after joining; None where these days are not over for everybody
    or a day of them was not measured. ``active[k]`` is the number behind it."""

    week: date
    joined: int
    cells: list[float | None]
    active: list[int | None]


def cohorts(community: Community, *, until: date, weeks: int = COHORT_WEEKS) -> list[Cohort]:
    """The cohorts of the last ``weeks`` whole weeks before the end of the local day ``until``,
    the oldest first, with ``weeks`` cells each."""
    tomorrow = until + timedelta(days=1)
    first = tomorrow - timedelta(days=tomorrow.weekday()) - weeks * WEEK
    values: dict[str, int | str | date] = {
        "community": community.pk,
        "zone": community.enterprise.time_zone,
        "first": first,
        "until": until,
        "weeks": weeks,
    }
    with connection.cursor() as cursor:
        cursor.execute(COHORTS, values)
        counts = {(week, number): count for week, number, count in cursor.fetchall()}
    days = CommunityDay.objects.filter(community=community, day__gte=first, day__lte=until)
    measured = set(days.filter(is_measured=True).values_list("day", flat=True))
    found = []
    for week in (first + number * WEEK for number in range(weeks)):
        active = [
            counts.get((week, number), 0) if _is_known(week, number, measured) else None
            for number in range(weeks)
        ]
        joined = counts.get((week, -1), 0)
        cells = [None if not joined or some is None else some / joined for some in active]
        found.append(Cohort(week, joined, cells, active))
    return found


def _is_known(week: date, number: int, measured: set[date]) -> bool:
    """Whether the days were measured for those who joined on the first day of the week, the last,
    and all between. Days that are not over are never among the measured ones."""
    begins = week + number * WEEK
    return all(begins + timedelta(days=offset) in measured for offset in range(13))


def retention_figure(community: Community, on: date) -> Figure:
    """Of those who joined in the latest four weeks whose fifth week is over, the share that was
    active in days 28 to 34."""
    known = [
        (cohort.joined, cohort.active[WEEK_4])
        for cohort in cohorts(community, until=on, weeks=WEEK_4 + POOLED + 2)
        if cohort.cells[WEEK_4] is not None
    ][-POOLED:]
    joined = sum(newcomers for newcomers, _ in known)
    if not joined:
        return Figure("retention_week_4", None, note=NO_COHORT, n=0)
    active = sum(active or 0 for _, active in known)
    return Figure("retention_week_4", active / joined, note=small_number(joined), n=joined)
