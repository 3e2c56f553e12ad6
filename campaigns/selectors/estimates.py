"""How many a broadcast would reach, whom it leaves out and why: before anything is written.

A statement goes over the audience, range by range where it is large, and gives each recipient the
reason that the claim would give now; only counts leave the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.utils.translation import gettext as _

from campaigns.models import Broadcast
from campaigns.rules.full_blast import is_full_blast
from campaigns.rules.reach import reaches_every_chat
from campaigns.selectors.audience import Audience, Choice, audience_of
from campaigns.selectors.guards import Guards, policy_of
from campaigns.selectors.recipients import Mailing, first_community, load_recipients
from campaigns.selectors.refusals import Among, refusal_of_chats, refusal_of_members
from communities.models import Community, GroupChat
from communities.rules.status import ChatState
from members.errors import CriterionTooCostly
from members.models import Membership
from scrm.shared.sql import Sql, sql, time_limit

SAMPLE_SIZE = 3
TIME_LIMIT_MS = 20_000
#: What one look at a million recipients may sort and hash in memory.
WORK_MEMORY = "64MB"
#: Recipients looked at by one statement.
SPAN = 50_000
#: In an audience of so many it costs nothing to ask for the first few once more.
SMALL = 20_000

OUTSIDE = ("not_matching", "excluded", "other_account")

COUNT_MEMBERS = """
SELECT here.community_id, CASE {} ELSE {} END AS reason,
    count(*), sum(here.places)::bigint, min(here.member_id), max(here.member_id)
FROM ({}) here
LEFT JOIN (SELECT id FROM members_member WHERE erased_at IS NOT NULL {}) erased
    ON erased.id = here.member_id
{}{}
GROUP BY 1, 2
"""

PLACES = """
SELECT member_id, {} AS community_id, count(*) AS places FROM members_membership
WHERE community_id = ANY({}) AND left_at IS NULL {} GROUP BY member_id
"""

ONE_PLACE = """
SELECT member_id, community_id, 1 AS places FROM members_membership
WHERE community_id = ANY({}) AND left_at IS NULL {}
"""

# From the index alone, whatever the size.
EXTENT = """
SELECT sum(there.n), min(there.first), max(there.last) FROM unnest({}::bigint[]) AS place (id),
LATERAL (
    SELECT count(*) AS n, min(member_id) AS first, max(member_id) AS last
    FROM members_membership WHERE community_id = place.id AND left_at IS NULL
) there
"""

COUNT_CHATS = """
SELECT here.community_id, CASE {} ELSE {} END AS reason,
    count(*), count(*), min(chat.id), max(chat.id)
FROM communities_groupchat chat
CROSS JOIN LATERAL (SELECT chat.community_id) here
{}{}
WHERE chat.community_id = ANY({}) AND chat.state <> {} {}
GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class CommunityShare:
    community_id: int
    name: str
    recipient_count: int


@dataclass(frozen=True, slots=True)
class Excluded:
    """How many are left out, and why: a code of ``rules.reasons``."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Sample:
    recipient: str
    body: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """``recipient_count`` are in the audience and will have a row each; ``will_send_count`` of
    them pass the guards as they stand now. ``eligible_count`` is everybody whom a broadcast of
    this kind could reach in the enterprise; ``share`` is the audience's part of them, 0 to 1.
    ``hold_until``: the quiet hours in which it would be held now.

    Somebody in several communities counts for the first of them.
    """

    recipient_count: int
    will_send_count: int = 0
    eligible_count: int = 0
    share: float = 0.0
    is_full_blast: bool = False
    communities: list[CommunityShare] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    hold_until: datetime | None = None


class _Group(NamedTuple):
    """Recipients of one community with one reason."""

    community_id: int
    reason: str
    recipients: int
    places: int
    first: int
    last: int

    def added_to(self, other: _Group | None) -> _Group:
        if other is None:
            return self
        return self._replace(
            recipients=self.recipients + other.recipients,
            places=self.places + other.places,
            first=min(self.first, other.first),
            last=max(self.last, other.last),
        )


def estimate_audience(
    broadcast: Broadcast,
    *,
    as_of: datetime,
    communities: Sequence[Community] | None = None,
    choice: Choice | None = None,
) -> Estimate:
    """Counts and three real texts; no list of people is ever read. ``choice``, or at least
    ``communities``, is what a form says. Raises ``CriterionTooCostly``."""
    if choice is None:
        choice = Choice.of(broadcast) if broadcast.pk else Choice(communities or ())
    chosen = choice.communities if communities is None else communities
    audience = audience_of(broadcast, as_of=as_of, communities=chosen, choice=choice)
    guards = Guards.of(broadcast, now=as_of, communities=audience.community_ids)
    groups = _groups(audience, guards)
    inside = [group for group in groups if group.reason not in OUTSIDE]
    recipients = sum(group.recipients for group in inside)
    present = sum(group.recipients for group in groups)
    eligible = _eligible_count(audience, present=present)
    per_community: Counter[int] = Counter()
    for group in inside:
        per_community[group.community_id] += group.recipients
    return Estimate(
        recipient_count=recipients,
        will_send_count=sum(group.recipients for group in inside if not group.reason),
        eligible_count=eligible,
        share=recipients / eligible if eligible else 0.0,
        is_full_blast=is_full_blast(
            target=broadcast.target,
            recipients=recipients,
            eligible=eligible,
            has_filter=audience.is_filtered,
            limit_percent=policy_of(broadcast.enterprise_id).full_blast_percent,
        ),
        communities=[CommunityShare(one.pk, one.name, per_community[one.pk]) for one in chosen],
        excluded=_excluded(groups, repeated=sum(one.places - one.recipients for one in inside)),
        samples=_samples(audience, guards, groups, names={one.pk: one.name for one in chosen}),
        hold_until=guards.hold_until,
    )


def _groups(audience: Audience, guards: Guards) -> list[_Group]:
    too_costly = CriterionTooCostly(
        _("计算超过 %(seconds)d 秒。请缩短“近几天”、减少条件，或少选几个社群。")
        % {"seconds": TIME_LIMIT_MS // 1000}
    )
    with time_limit(TIME_LIMIT_MS, otherwise=too_costly), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('work_mem', %s, true)", [WORK_MEMORY])
        if audience.to_chats:
            statements = [_count_chats(audience, guards)]
        else:
            statements = [_count_members(audience, guards, each) for each in spans_of(audience)]
        groups: dict[tuple[int, str], _Group] = {}
        for statement in statements:
            cursor.execute(statement.text, statement.params)
            for group in map(_Group._make, cursor.fetchall()):
                key = (group.community_id, group.reason)
                groups[key] = group.added_to(groups.get(key))
    return list(groups.values())


def spans_of(audience: Audience) -> list[Among]:
    """Ranges of member ids that are looked at one after another: what is joined then stays in the
    processor's cache. A criterion is measured once, so with one there is a single range."""
    if not audience.wanted.is_empty or audience.unwanted is not None:
        return [everybody]
    extent = sql(EXTENT, list(audience.community_ids))
    with connection.cursor() as cursor:
        cursor.execute(extent.text, extent.params)
        count, first, last = cursor.fetchone()
    if not count or count <= SPAN:
        return [everybody]
    width = (last - first) // (int(count) // SPAN) + 1
    return [_between(start, start + width - 1) for start in range(first, last + 1, width)]


def _between(first: int, last: int) -> Among:
    return lambda column: sql(f" AND {column} BETWEEN {{}} AND {{}}", first, last)


def _count_members(audience: Audience, guards: Guards, among: Among) -> Sql:
    refusal = refusal_of_members(
        guards, among, member="here.member_id", is_erased="erased.id IS NOT NULL"
    )
    communities = list(audience.community_ids)
    here = sql(ONE_PLACE, communities, among("member_id"))
    if len(communities) > 1:
        here = sql(PLACES, first_community(guards), communities, among("member_id"))
    outside, joins = outside_of(audience, "here.member_id")
    erased = among("id")
    return sql(COUNT_MEMBERS, outside, refusal.reason, here, erased, joins, refusal.joins)


def _count_chats(audience: Audience, guards: Guards) -> Sql:
    refusal = refusal_of_chats(guards, everybody, chat="chat.id")
    outside, joins = outside_of(audience, "chat.id")
    account = audience.broadcast.channel_account
    if not reaches_every_chat(account.kind):
        elsewhere = sql("WHEN chat.channel_account_id <> {} THEN 'other_account' ", account.pk)
        outside = elsewhere + outside
    named = Sql("")
    if audience.chat_ids:
        named = sql("AND chat.id = ANY({})", list(audience.chat_ids))
    return sql(
        COUNT_CHATS,
        outside,
        refusal.reason,
        joins,
        refusal.joins,
        list(audience.community_ids),
        ChatState.DISSOLVED.value,
        named,
    )


def everybody(column: str) -> Sql:
    return Sql("")


def outside_of(audience: Audience, recipient: str) -> tuple[Sql, Sql]:
    """When somebody present is not in the audience, and what has to be joined to know."""
    outside, joins = Sql("WHEN FALSE THEN ''"), Sql("")
    if not audience.wanted.is_empty:
        outside += Sql(" WHEN wanted.id IS NULL THEN 'not_matching'")
        joins += sql(
            f"LEFT JOIN ({{}}) AS wanted (id) ON wanted.id = {recipient} ",
            audience.meeting(audience.wanted),
        )
    if audience.unwanted is not None:
        outside += Sql(" WHEN unwanted.id IS NOT NULL THEN 'excluded'")
        joins += sql(
            f"LEFT JOIN ({{}}) AS unwanted (id) ON unwanted.id = {recipient} ",
            audience.meeting(audience.unwanted),
        )
    return outside, joins


def _excluded(groups: list[_Group], *, repeated: int) -> list[Excluded]:
    """The reasons, the commonest first."""
    counts: Counter[str] = Counter({"in_several_communities": repeated})
    for group in groups:
        counts[group.reason] += group.recipients
    found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Excluded(reason, count) for reason, count in found if reason and count > 0]


def _eligible_count(audience: Audience, *, present: int) -> int:
    """Everybody in a community of the enterprise; of chats, those that the channel carries."""
    enterprise = audience.broadcast.enterprise_id
    if not audience.to_chats:
        rows = Membership.objects.active().filter(enterprise=enterprise)
        others = rows.exclude(community__in=audience.community_ids)
        if not others.exists():
            return present
        return rows.order_by().values("member").distinct().count()
    chats = GroupChat.objects.live().filter(enterprise=enterprise).exclude(community=None)
    account = audience.broadcast.channel_account
    if not reaches_every_chat(account.kind):
        chats = chats.filter(channel_account=account)
    return chats.count()


def _samples(
    audience: Audience, guards: Guards, groups: list[_Group], *, names: dict[int, str]
) -> list[Sample]:
    """Texts of the first few, of those who would get one if there are any."""
    inside = [group for group in groups if group.reason not in OUTSIDE]
    written = [group for group in inside if not group.reason] or inside
    ids = {pk for group in written for pk in (group.first, group.last)}
    if not audience.is_filtered or sum(group.recipients for group in groups) <= SMALL:
        first = audience.ids_in(*audience.community_ids).order_by(audience.key)
        ids |= set(first[: 10 * SAMPLE_SIZE])
    mailing = Mailing.of(audience.broadcast, communities=names)
    rows = load_recipients(mailing, sorted(ids), guards)
    rows.sort(key=lambda row: (bool(row.refusal), row.pk))
    return [Sample(row.name, mailing.rendered_or_reason(row)) for row in rows[:SAMPLE_SIZE]]
