"""The days of communities: members, activity and purchases in one row a day.

A row is made from what is known now, so making it again changes only what became known since. What
was reported late is marked by ``StaleDay``; the windows of the 27 days after it are made anew too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Max, Min

from communities.models import Community
from members.metrics.purchases import CURRENCY
from members.models import ActivityCoverage, CommunityDay, Membership, StaleDay
from members.services.staging import affected

ONE_DAY = timedelta(days=1)
LONGEST_WINDOW = timedelta(days=28)
CHUNK = timedelta(days=31)  # in one transaction
# A source may be silent for three days and still be listening, which is known only afterwards.
UNSETTLED = timedelta(days=3)
BACKFILL = timedelta(days=400)  # twelve months to compare with, and the window before them
WORK_MEMORY = "64MB"

# A member who is active on ``day`` is counted on the ``days`` days from it. Of these only those
# that the former active day had not yet counted are new; so the number of distinct members of a
# window is a running sum of beginnings and ends, however many days are made at once.
_CHANGES = """
    SELECT greatest(at, %(first)s::date) AS day, sum(change) AS change FROM (
        SELECT greatest(day, previous + {days}) AS at, 1 AS change FROM {rows}
        UNION ALL
        SELECT day + {days}, -1 FROM {rows}
    ) changes WHERE at <= %(last)s GROUP BY 1
"""
_HOURS = ", ".join(f"sum((hours >> {hour}) & 1)" for hour in range(24))
_SPOKEN = "message_count + post_count + comment_count"
_SIGNS = f"{_SPOKEN} + checkin_count + click_count + other_count"

_ROWS = f"""
WITH days AS (
    SELECT day::date AS day,
           day::date::timestamp AT TIME ZONE %(zone)s AS begins,
           (day::date + 1)::timestamp AT TIME ZONE %(zone)s AS ends
    FROM generate_series(%(first)s::date, %(last)s::date, interval '1 day') AS day
), measured AS (
    SELECT days.day FROM days WHERE EXISTS (
        SELECT FROM members_activitycoverage coverage
        WHERE coverage.community_id = %(community)s
          AND coverage.covered_from < days.ends AND coverage.covered_to >= days.begins)
), before AS (
    SELECT count(*) AS members FROM members_membership
    WHERE community_id = %(community)s AND joined_at < %(begins)s
      AND (left_at IS NULL OR left_at >= %(begins)s)
), joined AS (
    SELECT (joined_at AT TIME ZONE %(zone)s)::date AS day, count(*) AS members
    FROM members_membership
    WHERE community_id = %(community)s AND joined_at >= %(begins)s AND joined_at < %(ends)s
    GROUP BY 1
), gone AS (
    SELECT (left_at AT TIME ZONE %(zone)s)::date AS day, count(*) AS members
    FROM members_membership
    WHERE community_id = %(community)s AND left_at >= %(begins)s AND left_at < %(ends)s
    GROUP BY 1
), active AS MATERIALIZED (
    SELECT member_id, day, lag(day) OVER person AS previous, {_SPOKEN} AS spoken,
           {_SIGNS} AS signs, hours
    FROM members_memberday
    WHERE community_id = %(community)s AND day > %(first)s::date - 28 AND day <= %(last)s
    WINDOW person AS (PARTITION BY member_id ORDER BY day)
), speaking AS (
    SELECT member_id, day, lag(day) OVER (PARTITION BY member_id ORDER BY day) AS previous
    FROM active WHERE spoken > 0 AND day > %(first)s::date - 7
), activity AS (
    SELECT day, count(*) AS members, count(*) FILTER (WHERE spoken > 0) AS speakers,
           sum(signs) AS signs, sum(spoken) AS spoken, ARRAY[{_HOURS}]::integer[] AS hours
    FROM active WHERE day >= %(first)s GROUP BY day
), staff AS (
    SELECT day, sum(message_count) AS spoken FROM members_staffday
    WHERE community_id = %(community)s AND day >= %(first)s AND day <= %(last)s GROUP BY day
), purchases AS (
    SELECT day, count(*) FILTER (WHERE standing_count > 0) AS members, sum(order_count) AS orders,
           sum(net_amount) AS amount
    FROM (
        SELECT DISTINCT bought.id, bought.day, bought.order_count, bought.standing_count,
               bought.net_amount
        FROM members_membership membership JOIN members_purchaseday bought
          ON bought.member_id = membership.member_id AND bought.currency = %(currency)s
         AND bought.day >= %(first)s AND bought.day <= %(last)s
         AND bought.day >= (membership.joined_at AT TIME ZONE %(zone)s)::date
         AND (membership.left_at IS NULL
              OR bought.day <= (membership.left_at AT TIME ZONE %(zone)s)::date)
        WHERE membership.community_id = %(community)s
    ) bought GROUP BY day
), changes_7 AS ({_CHANGES.format(rows="active", days=7)}
), changes_28 AS ({_CHANGES.format(rows="active", days=28)}
), changes_speaking AS ({_CHANGES.format(rows="speaking", days=7)}
), counted AS (
    SELECT days.day, measured.day IS NOT NULL AS is_measured,
        coalesce(joined.members, 0) AS joined, coalesce(gone.members, 0) AS gone,
        before.members + sum(coalesce(joined.members, 0) - coalesce(gone.members, 0)) OVER past
            AS members,
        coalesce(sum(changes_7.change) OVER past, 0) AS active_7,
        coalesce(sum(changes_28.change) OVER past, 0) AS active_28,
        coalesce(sum(changes_speaking.change) OVER past, 0) AS speakers_7
    FROM days CROSS JOIN before
        LEFT JOIN measured USING (day) LEFT JOIN joined USING (day) LEFT JOIN gone USING (day)
        LEFT JOIN changes_7 USING (day) LEFT JOIN changes_28 USING (day)
        LEFT JOIN changes_speaking USING (day)
    WINDOW past AS (ORDER BY days.day)
)
SELECT day, counted.members - joined + gone, joined, gone, counted.members, is_measured,
    CASE WHEN is_measured THEN coalesce(activity.members, 0) END,
    CASE WHEN is_measured THEN active_7 END,
    CASE WHEN is_measured THEN active_28 END,
    CASE WHEN is_measured THEN coalesce(activity.speakers, 0) END,
    CASE WHEN is_measured THEN speakers_7 END,
    CASE WHEN is_measured THEN coalesce(activity.signs, 0) END,
    CASE WHEN is_measured THEN coalesce(activity.spoken, 0) END,
    CASE WHEN is_measured THEN coalesce(staff.spoken, 0) END,
    coalesce(purchases.members, 0), coalesce(purchases.orders, 0), coalesce(purchases.amount, 0),
    CASE WHEN is_measured THEN coalesce(activity.hours, array_fill(0, ARRAY[24])) END
FROM counted LEFT JOIN activity USING (day) LEFT JOIN staff USING (day)
    LEFT JOIN purchases USING (day)
"""  # noqa: S608 - names of our own; every value is bound
_COLUMNS = (
    "member_count_start, joined_count, left_count, member_count_end, is_measured, active_count,"
    " active_count_7, active_count_28, speaker_count, speaker_count_7, interaction_count,"
    " message_count, staff_message_count, buyer_count, order_count, net_amount, hour_actives"
)
_OLD = ", ".join(f"snapshot.{name}" for name in _COLUMNS.split(", "))
_NEW = ", ".join(f"EXCLUDED.{name}" for name in _COLUMNS.split(", "))

STORE = f"""
INSERT INTO members_communityday AS snapshot (enterprise_id, community_id, day, {_COLUMNS})
SELECT %(enterprise)s, %(community)s, made.* FROM ({_ROWS}) made ORDER BY day
ON CONFLICT (community_id, day) DO UPDATE
SET ({_COLUMNS}) = ROW({_NEW}), figures = '{{}}', computed_at = now()
WHERE %(anyway)s OR ({_OLD}) IS DISTINCT FROM ({_NEW})
"""  # noqa: S608 - names of our own; every value is bound

# What became known otherwise than by late events: a source says that it listened all along, a
# platform tells when somebody really came or went.
MARK_DIFFERENT = """
WITH kept AS (
    SELECT day, is_measured, joined_count, left_count, member_count_end
    FROM members_communityday WHERE community_id = %(community)s AND day <= %(until)s
), moves AS (
    SELECT (joined_at AT TIME ZONE %(zone)s)::date AS day, 1 AS joined, 0 AS gone
    FROM members_membership WHERE community_id = %(community)s
    UNION ALL
    SELECT (left_at AT TIME ZONE %(zone)s)::date, 0, 1
    FROM members_membership WHERE community_id = %(community)s AND left_at IS NOT NULL
), counted AS (
    SELECT day, sum(joined) AS joined, sum(gone) AS gone,
           sum(sum(joined) - sum(gone)) OVER (ORDER BY day) AS members
    FROM (SELECT * FROM moves UNION ALL SELECT day, 0, 0 FROM kept) known
    GROUP BY day
)
INSERT INTO members_staleday (community_id, day)
SELECT %(community)s, day FROM kept JOIN counted USING (day)
WHERE (joined_count, left_count, member_count_end) IS DISTINCT FROM (joined, gone, members)
   OR NOT is_measured AND EXISTS (
        SELECT FROM members_activitycoverage coverage
        WHERE coverage.community_id = %(community)s
          AND coverage.covered_from < (day + 1)::timestamp AT TIME ZONE %(zone)s
          AND coverage.covered_to >= day::timestamp AT TIME ZONE %(zone)s)
ORDER BY day
ON CONFLICT DO NOTHING
"""


@transaction.atomic
def snapshot_days(
    community: Community, *, first: date, last: date, forget_figures: bool = False
) -> int:
    """Make the rows of the local days from ``first`` to ``last``. Returns how many were new or
    changed; these, and with ``forget_figures`` all, lose the figures kept with them."""
    zone = community.enterprise.zone
    values: dict[str, int | str | date] = {
        "enterprise": community.enterprise_id,
        "community": community.pk,
        "zone": community.enterprise.time_zone,
        "currency": CURRENCY,
        "first": first,
        "last": last,
        "begins": datetime.combine(first, time.min, tzinfo=zone),
        "ends": datetime.combine(last + ONE_DAY, time.min, tzinfo=zone),
        "anyway": forget_figures,
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('work_mem', %s, true)", [WORK_MEMORY])
        cursor.execute(STORE, values)
        return affected(cursor)


class Made(NamedTuple):
    """The days up to ``last`` are made, and so many of the last chunk were new or changed."""

    last: date
    written: int


def make_due_days(
    community: Community, *, until: date, after: date | None = None
) -> Iterator[Made]:
    """Make what is missing up to the local day ``until``, which is over, and the last days before
    it, of which more may have become known; or the days after ``after``, to go on.

    One transaction each time the next is asked for; who stops asking may begin again at any time.
    """
    begin = after + ONE_DAY if after else _first_due(community, until)
    while begin is not None and begin <= until:
        end = min(begin + CHUNK - ONE_DAY, until)
        yield Made(end, snapshot_days(community, first=begin, last=end))
        begin = end + ONE_DAY


def make_late_days(community: Community, *, until: date) -> Iterator[int]:
    """Make the days anew of which something became known late, in the same way. Yields how many
    were new or changed."""
    _mark_different(community, until)
    while (written := _refresh_stale(community, until)) is not None:
        yield written


def _first_due(community: Community, until: date) -> date | None:
    """The beginning of the history, as long as it has no row; then the first day after the last
    row, or the first that may still change."""
    begin = _history_begins(community, until)
    rows = CommunityDay.objects.filter(community=community, day__lte=until)
    made = rows.aggregate(first=Min("day"), last=Max("day"))
    if made["first"] is None or (begin is not None and made["first"] > begin):
        return begin
    last: date = made["last"]
    return min(last + ONE_DAY, until - UNSETTLED)


def _history_begins(community: Community, until: date) -> date | None:
    """The first day of which anything is known, at most ``BACKFILL`` ago."""
    zone = community.enterprise.zone
    joined = Membership.objects.filter(community=community).aggregate(at=Min("joined_at"))["at"]
    covered = ActivityCoverage.objects.filter(community=community)
    heard = covered.aggregate(at=Min("covered_from"))["at"]
    known = [instant.astimezone(zone).date() for instant in (joined, heard) if instant]
    return max(min(known), until - BACKFILL) if known else None


@transaction.atomic
def _mark_different(community: Community, until: date) -> None:
    values: dict[str, int | str | date] = {
        "community": community.pk,
        "zone": community.enterprise.time_zone,
        "until": until,
    }
    with connection.cursor() as cursor:
        cursor.execute(MARK_DIFFERENT, values)


@transaction.atomic
def _refresh_stale(community: Community, until: date) -> int | None:
    """Make the days that the earliest marks are about anew, and those whose windows reach back to
    them. None: there were no marks.

    The marks are locked first: whoever reports something late for one of them waits and marks the
    day again, or had committed before we look.
    """
    marks = StaleDay.objects.filter(community_id=community.pk, day__lte=until).order_by("day")
    days = [mark.day for mark in marks.select_for_update()[: CHUNK.days]]
    if not days:
        return None
    together = [day for day in days if day - days[0] < CHUNK]
    marks.filter(day__in=together).delete()
    return snapshot_days(
        community,
        first=together[0] - UNSETTLED,
        last=min(together[-1] + LONGEST_WINDOW - ONE_DAY, until),
        forget_figures=True,
    )
