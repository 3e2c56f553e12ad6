"""Who a broadcast goes to, as one queryset for each of its communities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from campaigns.models import Broadcast, Run
from campaigns.rules.reach import reaches_every_chat
from campaigns.rules.status import BroadcastTarget
from communities.models import Community, GroupChat
from members.criteria import matching
from members.models import Membership
from scrm.shared.criteria import Criterion, parse_criterion

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
    broadcast: Broadcast,
    *,
    as_of: datetime,
    communities: Sequence[Community] | None = None,
    run: Run | None = None,
) -> Audience:
    """``communities`` instead of the broadcast's own, for one that is not saved yet. With the
    ``run`` of a broadcast that facts begin, only those whom its occasions are about."""
    chosen = broadcast.communities.only("pk") if communities is None else communities
    ids = tuple(sorted(community.pk for community in chosen))
    return Audience(broadcast, ids, parse_criterion(broadcast.criterion), as_of)


def is_empty(broadcast: Broadcast, *, as_of: datetime) -> bool:
    audience = audience_of(broadcast, as_of=as_of)
    return not audience.ids_in(*audience.community_ids).exists()


def distinct_count(ids: Ids) -> int:
    return ids.order_by().distinct().count()
