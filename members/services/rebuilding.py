"""Making members' days anew from the events. Where nothing is wrong, nothing is written."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.db import connection, transaction
from django.db.models import Max, Min

from communities.models import Community
from members.models import ActivityCoverage, MemberDay
from members.services.rollup import Recount, Window, prepare_touched, recount_touched

CHUNK = timedelta(days=7)  # in one transaction, while others write
ONE_DAY = timedelta(days=1)
A_ZONE = timedelta(days=1)  # further than any two time zones are apart

TOUCH = """
INSERT INTO touched_days (community_id, member_id, day)
SELECT %(community)s, member_id, day FROM (
    SELECT member_id, (occurred_at AT TIME ZONE %(zone)s)::date AS day
    FROM members_activityevent
    WHERE community_id = %(community)s
      AND occurred_at >= %(since)s AND occurred_at < %(until)s
    UNION
    SELECT member_id, day FROM members_memberday
    WHERE community_id = %(community)s AND day >= %(first)s AND day <= %(last)s
) days
WHERE day >= %(first)s AND day <= %(last)s
"""


def rebuild_member_days(
    community: Community, *, first: date | None = None, last: date | None = None
) -> Recount:
    """Recount the days of a community, by default all of them.

    Rows that events no longer support go, missing ones come, wrong ones are corrected. May run
    while events arrive. Needed after the enterprise's time zone has changed.
    """
    begin, end = _known_days(community)
    begin, end = first or begin, last or end
    days, written = 0, 0
    while begin <= end:
        recount = _rebuild(community, begin, min(begin + CHUNK - ONE_DAY, end))
        days, written = days + recount.days, written + recount.written
        begin += CHUNK
    return Recount(days, written)


def _known_days(community: Community) -> tuple[date, date]:
    """From the first to the last day of which there may be anything, generously."""
    covered = ActivityCoverage.objects.filter(community=community).aggregate(
        first=Min("covered_from"), last=Max("covered_to")
    )
    kept = MemberDay.objects.filter(community=community).aggregate(
        first=Min("day"), last=Max("day")
    )
    days = [day for day in (kept["first"], kept["last"]) if day]
    for instant in (covered["first"], covered["last"]):
        if instant:
            days += [instant.date() - A_ZONE, instant.date() + A_ZONE]
    return (min(days), max(days)) if days else (date.max, date.min)


@transaction.atomic
def _rebuild(community: Community, first: date, last: date) -> Recount:
    zone = community.enterprise.time_zone
    window = Window(
        community.enterprise_id,
        zone,
        datetime.combine(first, time.min, tzinfo=community.enterprise.zone) - A_ZONE,
        datetime.combine(last, time.min, tzinfo=community.enterprise.zone) + ONE_DAY + A_ZONE,
    )
    values = {"community": community.pk, "first": first, "last": last, **window.parameters()}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10min'")
        prepare_touched(cursor)
        cursor.execute(TOUCH, values)
    return recount_touched(window)
