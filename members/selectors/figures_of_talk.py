"""Figures of a community about what is said: by how few, and whether anybody answers."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.db import connection

from communities.models import Community
from members.models import CommunityDay
from members.rules.insight import (
    NO_POSTS,
    NOBODY_SPOKE,
    UNMEASURED,
    noted,
    partly_measured,
    share_of,
    small_number,
)
from scrm.shared.figures import NO_NOTE, Figure

WINDOW = 28
ANSWER_HOURS = 72

# Gini coefficient of n sorted values x: 2 sum(i x_i) / (n sum(x)) - (n + 1) / n.
CONCENTRATION = """
WITH spoken AS (
    SELECT sum(message_count + post_count + comment_count)::float8 AS said
    FROM members_memberday
    WHERE community_id = %(community)s AND day > %(on)s::date - 28 AND day <= %(on)s
    GROUP BY member_id
), ranked AS (
    SELECT said, row_number() OVER (ORDER BY said) AS place FROM spoken WHERE said > 0
)
SELECT count(*), 2 * sum(place * said) / (count(*) * sum(said)) - (count(*) + 1.0) / count(*)
FROM ranked HAVING count(*) > 0
"""
# A post begins its thread; who answers it any number of times answers once.
ANSWERS = """
WITH posts AS (
    SELECT DISTINCT ON (thread) thread, occurred_at, member_id,
           (occurred_at AT TIME ZONE %(zone)s)::date AS day
    FROM members_activityevent
    WHERE community_id = %(community)s AND kind = 'post' AND thread <> ''
      AND occurred_at >= %(since)s AND occurred_at < %(until)s
    ORDER BY thread, occurred_at
), answers AS (
    SELECT count(DISTINCT (posts.thread, event.member_id)) AS members
    FROM posts JOIN members_activityevent event
      ON event.community_id = %(community)s AND event.thread = posts.thread
     AND event.member_id IS NOT NULL AND event.member_id IS DISTINCT FROM posts.member_id
     AND event.occurred_at > posts.occurred_at
     AND event.occurred_at <= posts.occurred_at + make_interval(hours => %(hours)s)
     AND event.occurred_at >= %(since)s AND event.occurred_at < %(ends)s
)
SELECT (SELECT count(*) FROM posts), (SELECT members FROM answers),
    (SELECT sum(member_count_end) FROM posts JOIN members_communityday snapshot
        ON snapshot.community_id = %(community)s AND snapshot.day = posts.day)
"""


def concentration_figure(community: Community, on: date) -> Figure:
    """How unevenly those who speak do: 0 all alike, towards 1 one speaks for all."""
    measured = measured_days(community, on)
    if not measured:
        return Figure("message_gini", None, note=UNMEASURED)
    with connection.cursor() as cursor:
        cursor.execute(CONCENTRATION, {"community": community.pk, "on": on})
        row = cursor.fetchone()
    if row is None:
        return Figure("message_gini", None, note=NOBODY_SPOKE, n=0)
    speakers, gini = row
    figure = Figure("message_gini", float(gini), n=speakers)
    return noted(figure, partly_measured(measured, WINDOW), small_number(speakers))


def interaction_figure(community: Community, on: date) -> Figure:
    """Of those a post reached, the share that answered it in any way within 72 hours. Only posts
    whose 72 hours are over on ``on``."""
    zone, day = community.enterprise.zone, timedelta(days=1)
    ends = datetime.combine(on + day, time.min, tzinfo=zone)
    until = ends - timedelta(hours=ANSWER_HOURS)
    values: dict[str, int | str | date] = {
        "community": community.pk,
        "zone": community.enterprise.time_zone,
        "since": until - WINDOW * day,
        "until": until,
        "ends": ends,
        "hours": ANSWER_HOURS,
    }
    with connection.cursor() as cursor:
        cursor.execute(ANSWERS, values)
        posts, answers, reached = cursor.fetchone()
    if not posts:
        return Figure("interaction_rate", None, note=NO_POSTS, n=0)
    share = share_of(answers, int(reached or 0))
    note = small_number(posts) if share is not None else UNMEASURED
    return Figure("interaction_rate", share, note=note or NO_NOTE, n=posts)


def measured_days(community: Community, on: date) -> int:
    """Of the 28 days that end with ``on``."""
    first = on - timedelta(days=WINDOW - 1)
    days = CommunityDay.objects.filter(community=community, day__gte=first, day__lte=on)
    return days.filter(is_measured=True).count()
