"""Who a broadcast goes to, as one queryset for each of its communities.

The guards have no say here: whoever is in the audience gets a row, and the row says why nothing
was sent to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from campaigns.models import Broadcast, Occasion, Run, Segment
from campaigns.rules.reach import reaches_every_chat
from campaigns.rules.schedules import BY_FACT
from campaigns.rules.status import BroadcastTarget
from communities.models import Community, GroupChat
from members.criteria import matching_chat_ids, matching_ids
from members.metrics import Moment
from members.models import Membership
from scrm.shared.criteria import (
    CHAT_METRICS,
    METRICS,
    AllOf,
    AnyOf,
    Criterion,
    MetricRegistry,
    Node,
    parse_criterion,
)
from scrm.shared.sql import Sql

type Ids = QuerySet[Any, int]

EVERYBODY = AllOf(())


@dataclass(frozen=True, slots=True)
class Audience:
    """The recipients of a broadcast as of one moment.

    ``wanted`` are those who meet its criterion and are in one of its segments, ``unwanted`` those
    in an excluded one. ``chat_ids``: only these chats, when there are any. ``run_id``: only whom
    the occasions of this run are about.
    """

    broadcast: Broadcast
    community_ids: tuple[int, ...]
    wanted: Criterion
    unwanted: Criterion | None
    as_of: datetime
    chat_ids: tuple[int, ...] = ()
    run_id: int | None = None

    @property
    def to_chats(self) -> bool:
        return self.broadcast.target == BroadcastTarget.CHATS

    @property
    def key(self) -> str:
        """The column of a recipient's id in the querysets below."""
        return "pk" if self.to_chats else "member_id"

    @property
    def is_filtered(self) -> bool:
        """Whether it is chosen who gets it, beyond the communities."""
        return not self.wanted.is_empty or bool(self.chat_ids) or self.run_id is not None

    def ids_in(self, *community_ids: int) -> Ids:
        """Recipients in these communities, with repetition where somebody is in several."""
        rows: Any = self._present(community_ids)
        if self.to_chats and not reaches_every_chat(self.broadcast.channel_account.kind):
            rows = rows.filter(channel_account=self.broadcast.channel_account)
        if self.run_id is not None:
            occasions = Occasion.objects.filter(run=self.run_id).values("member")
            rows = rows.filter(member__in=occasions)
        among = None if self.to_chats else rows.values("member_id")
        if not self.wanted.is_empty:
            rows = rows.filter(**{f"{self.key}__in": _raw(self.meeting(self.wanted, among))})
        if self.unwanted is not None:
            rows = rows.exclude(**{f"{self.key}__in": _raw(self.meeting(self.unwanted, among))})
        ids: Ids = rows.values_list(self.key, flat=True)
        return ids

    def present_in(self, *community_ids: int) -> Ids:
        """Everybody there, wanted or not."""
        return self._present(community_ids).values_list(self.key, flat=True)

    def meeting(self, criterion: Criterion, among: QuerySet[Any, Any] | None = None) -> Sql:
        """The ids of those who meet a criterion."""
        moment = Moment(self.broadcast.enterprise, self.as_of)
        if self.to_chats:
            return matching_chat_ids(criterion, moment=moment)
        return matching_ids(criterion, moment=moment, among=among)

    def _present(self, community_ids: tuple[int, ...]) -> QuerySet[Any, Any]:
        if not self.to_chats:
            return Membership.objects.active().filter(community__in=community_ids)
        chats = GroupChat.objects.live().filter(community__in=community_ids)
        return chats.filter(pk__in=self.chat_ids) if self.chat_ids else chats


@dataclass(frozen=True, slots=True)
class Choice:
    """What a form says of the audience of a broadcast whose choices are not kept yet."""

    communities: Sequence[Community]
    segments: Sequence[Segment] = ()
    excluded_segments: Sequence[Segment] = ()
    chats: Sequence[GroupChat] = ()

    @classmethod
    def of(cls, broadcast: Broadcast) -> Choice:
        return cls(
            list(broadcast.communities.only("pk", "name").order_by("pk")),
            list(broadcast.segments.order_by("pk")),
            list(broadcast.excluded_segments.order_by("pk")),
            list(broadcast.chats.only("pk").order_by("pk")),
        )


def audience_of(
    broadcast: Broadcast,
    *,
    as_of: datetime,
    communities: Sequence[Community] | None = None,
    run: Run | None = None,
    choice: Choice | None = None,
) -> Audience:
    """``choice``, or at least ``communities``, instead of the broadcast's own, for one that is not
    saved yet. With the ``run`` of a broadcast that facts begin, only those whom its occasions are
    about."""
    if choice is None:
        choice = Choice.of(broadcast) if broadcast.pk else Choice(communities or ())
    chosen = choice.communities if communities is None else communities
    registry = registry_of(broadcast.target)
    wanted = [
        part
        for part in (
            parse_criterion(broadcast.criterion, registry=registry).root,
            _any_of(choice.segments, registry),
        )
        if part is not None
    ]
    excluded = _any_of(choice.excluded_segments, registry)
    return Audience(
        broadcast=broadcast,
        community_ids=tuple(sorted(community.pk for community in chosen)),
        wanted=Criterion(AllOf(tuple(wanted)) if wanted else None),
        unwanted=None if excluded is None else Criterion(excluded),
        as_of=as_of,
        chat_ids=tuple(sorted(chat.pk for chat in choice.chats)),
        run_id=run.pk if run is not None and is_begun_by_facts(broadcast) else None,
    )


def registry_of(target: str) -> MetricRegistry:
    """What criteria over the recipients of such a broadcast may speak of."""
    return CHAT_METRICS if target == BroadcastTarget.CHATS else METRICS


def is_begun_by_facts(broadcast: Broadcast) -> bool:
    schedule = getattr(broadcast, "schedule", None)
    return schedule is not None and schedule.kind in BY_FACT


def _any_of(segments: Sequence[Segment], registry: MetricRegistry) -> Node | None:
    """Those who meet one of the segments now, whatever list was drawn up before."""
    parts = [
        parse_criterion(segment.criterion, registry=registry).root or EVERYBODY
        for segment in segments
    ]
    return AnyOf(tuple(parts)) if parts else None


def _raw(ids: Sql) -> RawSQL:
    return RawSQL(ids.text, ids.params)  # noqa: S611 - values are parameters


def is_empty(broadcast: Broadcast, *, as_of: datetime) -> bool:
    audience = audience_of(broadcast, as_of=as_of)
    return not audience.ids_in(*audience.community_ids).exists()


def distinct_count(ids: Ids) -> int:
    return ids.order_by().distinct().count()
