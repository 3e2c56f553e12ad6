"""Taking in who belonged to which community and when, from where a community was kept before.

It is history: nobody is asked about it, greeted for it or counted twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from communities.models import Community
from communities.rules.status import CommunityStatus
from members.models import BlocklistEntry, Member, Membership
from members.rules.belonging import (
    OLDEST_DAYS,
    Belonging,
    RawBelonging,
    Time,
    overlap,
    read_belonging,
)
from members.rules.rows import BadRow, Period, Rejection, shown
from members.rules.status import JoinSource
from members.services.entering import Arrival, let_in
from members.services.ingestion import ids_of_members, unknown_member
from members.services.newcomers import create_missing_members
from members.services.tier_marks import BELONGING, mark_tiers_due
from members.signals import members_joined
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from scrm.accounts.models import User

type Pair = tuple[int, int]  # community, member
type Row = tuple[int, Belonging]  # its place in the batch

#: Nobody is in these any more; who was there has left.
ENDED = frozenset({CommunityStatus.DISSOLVED, CommunityStatus.ARCHIVED, CommunityStatus.CANCELLED})

# A snapshot that is not made yet will be made of what is then known.
MARK_KNOWN_DAYS = """
INSERT INTO members_staleday AS mark (community_id, day)
SELECT kept.community_id, kept.day
FROM unnest(%(communities)s::bigint[], %(since)s::timestamptz[], %(until)s::timestamptz[])
    AS given (community_id, since, until)
JOIN members_communityday kept ON kept.community_id = given.community_id
 AND kept.day >= (given.since AT TIME ZONE %(zone)s)::date
 AND (given.until IS NULL OR kept.day <= (given.until AT TIME ZONE %(zone)s)::date)
WHERE kept.day < ((now() + interval '1 hour') AT TIME ZONE %(zone)s)::date - 1
ORDER BY kept.community_id, kept.day
ON CONFLICT (community_id, day) DO UPDATE SET marked_at = EXCLUDED.marked_at
"""


@dataclass(frozen=True)
class HistoryResult:
    """What became of a batch: the three add up to its rows."""

    accepted: int
    duplicates: int
    rejects: Sequence[Rejection]


@transaction.atomic
def record_history(
    enterprise: Enterprise,
    rows: Iterable[RawBelonging],
    *,
    now: datetime,
    visible_to: User | None = None,
    create_members: bool = False,
    consent_text: str = "",
) -> HistoryResult:
    """Take the good rows of a batch and say what is wrong with the others.

    A time that is known counts as a duplicate; one that overlaps a known one is rejected. Whoever
    has not left belongs to the community from now on; who came through a gate that nobody saw them
    pass is marked as ungated, and nobody is asked about it. With ``visible_to`` only communities
    and members that the user can see exist. With ``create_members`` an unknown member is put on
    file and, with ``consent_text``, as one who has agreed to profiling by that version of the text.
    """
    rejects: list[Rejection] = []
    read = list(_read(rows, now, rejects))
    row_count = len(read) + len(rejects)
    communities = _locked_communities(enterprise, read, visible_to)
    known = _of_known_communities(read, communities, rejects)
    if create_members:
        names = {row.external_id: row.nickname for _index, row in known}
        create_missing_members(enterprise, set(names), consent_text=consent_text, nicknames=names)
    member_ids = ids_of_members(
        enterprise, {row.external_id for _index, row in known}, visible_to=visible_to
    )
    arrivals = list(_Judge(known, communities, member_ids, now).take(rejects))
    _store(enterprise, arrivals)
    rejects.sort()
    duplicates = row_count - len(arrivals) - len(rejects)
    return HistoryResult(len(arrivals), duplicates, rejects)


def _read(rows: Iterable[RawBelonging], now: datetime, rejects: list[Rejection]) -> Iterator[Row]:
    within = Period.before(now, days=OLDEST_DAYS)
    for index, raw in enumerate(rows):
        try:
            yield index, read_belonging(raw, within=within)
        except BadRow as bad:
            rejects.append(Rejection(index, bad.code, bad.message))


def _locked_communities(
    enterprise: Enterprise, rows: Sequence[Row], visible_to: User | None
) -> dict[str, Community]:
    """They are the queue that everybody who lets somebody in stands in."""
    codes = {row.community for _index, row in rows}
    named = Community.objects.filter(enterprise=enterprise, code__in=codes)
    if visible_to is not None:
        seen = Community.objects.visible_to(visible_to).filter(code__in=codes)
        named = named.filter(pk__in=list(seen.values_list("pk", flat=True)))
    locked = named.select_for_update(no_key=True, of=("self",)).order_by("pk")
    return {community.code: community for community in locked}


def _of_known_communities(
    rows: Sequence[Row], communities: dict[str, Community], rejects: list[Rejection]
) -> list[Row]:
    known = []
    for index, row in rows:
        if row.community in communities:
            known.append((index, row))
        else:
            message = _("没有代码为“%(code)s”的社群。") % {"code": shown(row.community)}
            rejects.append(Rejection(index, "unknown_community", message))
    return known


class _Judge:
    """What is known of the people in a batch, looked up at once; the first of rows that overlap
    counts."""

    def __init__(
        self,
        rows: Sequence[Row],
        communities: dict[str, Community],
        member_ids: dict[str, int],
        now: datetime,
    ) -> None:
        self.rows, self.communities, self.member_ids = rows, communities, member_ids
        members = list(member_ids.values())
        places = [community.pk for community in communities.values()]
        erased = Member.objects.filter(pk__in=members, erased_at__isnull=False)
        self.erased = set(erased.values_list("pk", flat=True))
        blocks = BlocklistEntry.objects.in_force(now).filter(member__in=members)
        self.blocked = set(blocks.values_list("community", "member"))
        self.times: defaultdict[Pair, list[Time]] = defaultdict(list)
        known = Membership.objects.filter(member__in=members, community__in=places)
        for community, member, joined_at, left_at in known.values_list(
            "community", "member", "joined_at", "left_at"
        ):
            self.times[community, member].append((joined_at, left_at))

    def take(self, rejects: list[Rejection]) -> Iterator[Arrival]:
        for index, row in self.rows:
            try:
                arrival = self._judge(row)
            except BadRow as bad:
                rejects.append(Rejection(index, bad.code, bad.message))
            else:
                if arrival is not None:
                    yield arrival

    def _judge(self, row: Belonging) -> Arrival | None:
        """None for a time that is known."""
        community, member = self.communities[row.community], self.member_ids.get(row.external_id)
        if member is None:
            raise BadRow("unknown_member", unknown_member(row.external_id))
        if member in self.erased:
            raise BadRow("erased", _("这位客户的个人信息已应本人要求抹除，不再导入。"))
        time = (row.joined_at, row.left_at)
        others = self.times[community.pk, member]
        if time in others:
            return None
        for other in others:
            if overlap(time, other):
                raise BadRow("overlapping_membership", _overlap_in_words(other, community))
        if {(None, member), (community.pk, member)} & self.blocked:
            raise BadRow("blocked", _("这位客户在黑名单里，不导入；解除后可以重新读入。"))
        if row.left_at is None and community.status in ENDED:
            raise BadRow("community_ended", _("这个社群已经结束，请填 left_at。"))
        others.append(time)
        return Arrival(
            community,
            member,
            JoinSource.IMPORT,
            row.joined_at,
            row.left_at,
            row.leave_reason,
            is_told=True,
        )


def _overlap_in_words(other: Time, community: Community) -> str:
    zone = community.enterprise.zone
    joined, left = (at and date_format(at.astimezone(zone), "Y-m-d H:i") for at in other)
    if left is None:
        words = {"joined": joined}
        return (
            _("和已有的在群时间重叠：%(joined)s 起至今。已经离开的，请先在系统里办理离开。") % words
        )
    return _("和已有的在群时间重叠：%(joined)s 至 %(left)s。") % {"joined": joined, "left": left}


def _store(enterprise: Enterprise, arrivals: Sequence[Arrival]) -> None:
    if not arrivals:
        return
    let_in(arrivals)
    _mark_known_days(enterprise, arrivals)
    entered = [each.membership.pk for each in arrivals if each.membership and each.left_at is None]
    if entered:  # nobody has a stay, so nobody is greeted for what was long ago
        members_joined.send(sender=Membership, membership_ids=entered, stay_ids=[])
    gone = {each.member_id for each in arrivals if each.left_at is not None}
    mark_tiers_due(enterprise.pk, gone, moved=BELONGING)


def _mark_known_days(enterprise: Enterprise, arrivals: Sequence[Arrival]) -> None:
    """From the first joining to the last leaving in each community."""
    times: defaultdict[int, list[Time]] = defaultdict(list)
    for each in arrivals:
        if each.joined_at is not None:
            times[each.community.pk].append((each.joined_at, each.left_at))
    ids = sorted(times)
    values: dict[str, Any] = {
        "communities": ids,
        "since": [min(joined for joined, _left in times[pk]) for pk in ids],
        "until": [_last(left for _joined, left in times[pk]) for pk in ids],
        "zone": enterprise.time_zone,
    }
    with connection.cursor() as cursor:
        cursor.execute(MARK_KNOWN_DAYS, values)


def _last(instants: Iterable[datetime | None]) -> datetime | None:
    """None for ever, as soon as one is."""
    known = list(instants)
    return None if None in known else max(instant for instant in known if instant)
