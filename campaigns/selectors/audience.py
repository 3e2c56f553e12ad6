"""Who a broadcast goes to, as one queryset for each of its communities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet

from campaigns.models import Broadcast
from campaigns.rules.reach import reaches_every_chat
from campaigns.rules.status import BroadcastTarget
from campaigns.selectors.recipients import Mailing, load_recipients
from communities.models import Community, GroupChat
from members.criteria import matching
from members.models import Membership
from scrm.shared.criteria import Criterion, parse_criterion

SAMPLE_SIZE = 3

type Ids = QuerySet[Any, int]


@dataclass(frozen=True, slots=True)
class Audience:
    """The recipients of a broadcast as of one moment."""

    broadcast: Broadcast
    community_ids: tuple[int, ...]
    criterion: Criterion
    as_of: datetime

    @property
    def key(self) -> str:
        """The column of a recipient's id in the querysets below."""
        return "pk" if self.broadcast.target == BroadcastTarget.CHATS else "member_id"

    def ids_in(self, *community_ids: int) -> Ids:
        """Recipients in these communities, with repetition where somebody is in several."""
        if self.broadcast.target == BroadcastTarget.CHATS:
            chats = self._chats(community_ids)
            account = self.broadcast.channel_account
            if not reaches_every_chat(account.kind):
                chats = chats.filter(channel_account=account)
            return chats.values_list("pk", flat=True)
        members = self._memberships(community_ids)
        if not self.criterion.is_empty:
            matched = matching(
                self.criterion,
                enterprise=self.broadcast.enterprise,
                now=self.as_of,
                among=members.values("member"),
            )
            members = members.filter(member__in=matched)
        return members.values_list("member_id", flat=True)

    def present_in(self, *community_ids: int) -> Ids:
        """Everybody there, wanted or not."""
        if self.broadcast.target == BroadcastTarget.CHATS:
            return self._chats(community_ids).values_list("pk", flat=True)
        return self._memberships(community_ids).values_list("member_id", flat=True)

    def _memberships(self, community_ids: tuple[int, ...]) -> QuerySet[Membership]:
        return Membership.objects.active().filter(community__in=community_ids)

    def _chats(self, community_ids: tuple[int, ...]) -> QuerySet[GroupChat]:
        return GroupChat.objects.live().filter(community__in=community_ids)


def audience_of(
    broadcast: Broadcast, *, as_of: datetime, communities: Sequence[Community] | None = None
) -> Audience:
    """``communities`` instead of the broadcast's own, for one that is not saved yet."""
    chosen = broadcast.communities.only("pk") if communities is None else communities
    ids = tuple(sorted(community.pk for community in chosen))
    return Audience(broadcast, ids, parse_criterion(broadcast.criterion), as_of)


@dataclass(frozen=True, slots=True)
class CommunityShare:
    community_id: int
    name: str
    recipient_count: int


@dataclass(frozen=True, slots=True)
class Excluded:
    """How many are left out, and why."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Sample:
    recipient: str
    body: str


@dataclass(frozen=True, slots=True)
class Estimate:
    recipient_count: int
    communities: list[CommunityShare] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


def estimate_audience(
    broadcast: Broadcast, *, as_of: datetime, communities: Sequence[Community]
) -> Estimate:
    """Counts and three real texts; no list of people is ever read."""
    audience = audience_of(broadcast, as_of=as_of, communities=communities)
    shares = dict(
        audience.ids_in(*audience.community_ids)
        .order_by()
        .values_list("community_id")
        .annotate(recipients=Count(audience.key))
        .values_list("community_id", "recipients")
    )
    repeated = sum(shares.values())
    several = len(communities) > 1
    wanted = distinct_count(audience.ids_in(*audience.community_ids)) if several else repeated
    present = distinct_count(audience.present_in(*audience.community_ids))
    left_out = [
        Excluded("not_matching", present - wanted),
        Excluded("in_several_communities", repeated - wanted),
    ]
    return Estimate(
        recipient_count=wanted,
        communities=[
            CommunityShare(community.pk, community.name, shares.get(community.pk, 0))
            for community in communities
        ],
        excluded=[reason for reason in left_out if reason.count],
        samples=samples_of(audience, names={one.pk: one.name for one in communities}),
    )


def is_empty(broadcast: Broadcast, *, as_of: datetime) -> bool:
    audience = audience_of(broadcast, as_of=as_of)
    return not audience.ids_in(*audience.community_ids).exists()


def distinct_count(ids: Ids) -> int:
    return ids.order_by().distinct().count()


def samples_of(audience: Audience, *, names: dict[int, str]) -> list[Sample]:
    ids = audience.ids_in(*audience.community_ids)
    first = list(ids.order_by(audience.key).distinct()[:SAMPLE_SIZE])
    mailing = Mailing.of(audience.broadcast, communities=names)
    rows = load_recipients(mailing, first)
    return [Sample(row.name, mailing.rendered_or_reason(row)) for row in rows]
