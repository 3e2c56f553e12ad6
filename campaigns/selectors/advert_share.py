"""How much of what a community is told is advertising.

Told is what we send there and what colleagues say there themselves; what members say never counts.
An advert is a message of the category 广告. Of what colleagues say by hand only the number is
known, and it is taken to be no advert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from django.db import connection
from django.db.models import Sum
from django.utils.translation import gettext_noop

from campaigns.rules.reach import REHEARSAL
from communities.models import Community
from communities.rules.kinds import ContentCategory
from members.models import StaffDay
from scrm.shared.figures import NO_NOTE, SMALL_NUMBER, Figure, Note
from scrm.shared.sql import Sql, named_sql

WINDOW_DAYS = 7
NOTHING_TOLD = Note(gettext_noop("近 7 天没有对这个社群发过消息。"))
REHEARSED = Note(gettext_noop("近 7 天只有沙盒演练，没有人真的收到。"))
FEW = gettext_noop("近 7 天只有 %(count)d 条，比例说明不了什么。")

# How many a message reached is in the report of its run; until there is one, everybody there.
TOLD = """
SELECT post.community_id,
       count(*) FILTER (WHERE post.category = {advert}), count(*),
       coalesce(sum(length(broadcast.body)) FILTER (WHERE post.category = {advert}), 0),
       sum(length(broadcast.body)),
       coalesce(sum(reach.people) FILTER (WHERE post.category = {advert}), 0), sum(reach.people)
FROM campaigns_communitypost post
JOIN campaigns_run run ON run.id = post.run_id
JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
JOIN wecom_channelaccount account ON account.id = broadcast.channel_account_id
LEFT JOIN campaigns_runreport report ON report.run_id = run.id
CROSS JOIN LATERAL (
    SELECT coalesce(
        (SELECT (one ->> 'reached')::bigint
         FROM jsonb_array_elements(report.figures -> 'by_community') one
         WHERE (one ->> 'id')::bigint = post.community_id),
        (SELECT count(*) FROM members_membership here
         WHERE here.community_id = post.community_id AND here.left_at IS NULL)
    ) AS people
) reach
WHERE post.community_id = ANY({communities})
  AND post.posted_at >= {since} AND post.posted_at < {until} {real}
GROUP BY post.community_id
"""


@dataclass(frozen=True, slots=True)
class AdvertShare:
    """What a community was told in a window: how often, how many characters, how many people.

    ``said`` are the messages that colleagues wrote themselves.
    """

    adverts: int = 0
    posts: int = 0
    advert_characters: int = 0
    characters: int = 0
    advert_reach: int = 0
    reach: int = 0
    said: int = 0

    @property
    def messages(self) -> int:
        return self.posts + self.said

    @property
    def by_posts(self) -> float | None:
        return self.adverts / self.messages if self.messages else None

    @property
    def by_characters(self) -> float | None:
        """Of what we sent: how long it was what colleagues said is not known."""
        return self.advert_characters / self.characters if self.characters else None

    @property
    def by_reach(self) -> float | None:
        """Of what we sent, each message as often as it had readers."""
        return self.advert_reach / self.reach if self.reach else None


NOTHING = AdvertShare()


def advert_shares(
    community_ids: Sequence[int],
    *,
    since: datetime,
    until: datetime,
    days: tuple[date, date],
    with_rehearsals: bool = False,
) -> dict[int, AdvertShare]:
    """Of each of these communities that was told something from ``since`` until before ``until``,
    and by colleagues on the local ``days``, first and last."""
    statement = named_sql(
        TOLD,
        advert=ContentCategory.ADVERT.value,
        communities=list(community_ids),
        since=since,
        until=until,
        real=Sql("") if with_rehearsals else Sql("AND account.kind <> %s", (REHEARSAL,)),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        told = {row[0]: AdvertShare(*map(int, row[1:])) for row in cursor.fetchall()}
    said = said_by_colleagues(community_ids, days=days)
    return {pk: replace(told.get(pk, NOTHING), said=said.get(pk, 0)) for pk in told.keys() | said}


def said_by_colleagues(community_ids: Sequence[int], *, days: tuple[date, date]) -> dict[int, int]:
    """Messages that colleagues wrote there themselves on local days, the last one with them."""
    rows = StaffDay.objects.filter(
        community__in=community_ids, day__range=days, message_count__gt=0
    )
    counted = rows.values_list("community").annotate(n=Sum("message_count"))
    return dict(counted.order_by())


def advert_share_of(
    community: Community, on: date, *, with_rehearsals: bool = False
) -> AdvertShare:
    """Of the ``WINDOW_DAYS`` local days that end with ``on``."""
    first, zone = on - timedelta(days=WINDOW_DAYS - 1), community.enterprise.zone
    shares = advert_shares(
        [community.pk],
        since=datetime.combine(first, time.min, tzinfo=zone),
        until=datetime.combine(on + timedelta(days=1), time.min, tzinfo=zone),
        days=(first, on),
        with_rehearsals=with_rehearsals,
    )
    return shares.get(community.pk, NOTHING)


def advert_figures(community: Community, on: date) -> list[Figure]:
    """Rehearsals reached nobody: they count only where nothing else was told, and it is said."""
    share, tried = advert_share_of(community, on), None
    if not share.messages:
        tried = advert_share_of(community, on, with_rehearsals=True)
    if tried is not None and tried.messages:
        return [replace(one, note=REHEARSED) for one in _figures(tried)]
    return _figures(share)


def _figures(share: AdvertShare) -> list[Figure]:
    return [
        _figure("advert_share", share.by_posts, share.messages),
        _figure("advert_share_characters", share.by_characters, share.posts),
        _figure("advert_share_reach", share.by_reach, share.posts),
    ]


def _figure(name: str, value: float | None, n: int) -> Figure:
    if value is None:
        return Figure(name, None, note=NOTHING_TOLD, n=n)
    return Figure(name, value, note=Note(FEW, {"count": n}) if n < SMALL_NUMBER else NO_NOTE, n=n)
