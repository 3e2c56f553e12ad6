"""How much room a community has left, and for how long: the last two weeks carried forward."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Q

from communities.models import GroupChat, JoinRoute
from communities.rules.capacity import (
    OBSERVED_DAYS,
    Forecast,
    forecast,
    is_nearly_full,
)
from communities.rules.status import ChatState
from members.models import Stay
from members.selectors.join_ways import QUIT

TAKES_PEOPLE = frozenset({ChatState.ACTIVE, ChatState.FULL})


@dataclass(frozen=True)
class Capacity:
    """The places of one chat, or of several together, and what became of them lately."""

    chat_count: int
    member_count: int
    capacity: int
    joins: int  # of the days observed
    quits: int
    days: float

    @property
    def room(self) -> int:
        return max(self.capacity - self.member_count, 0)

    @property
    def is_nearly_full(self) -> bool:
        return is_nearly_full(self.member_count, self.capacity)

    @property
    def joins_per_day(self) -> float:
        return self.joins / self.days

    @property
    def forecast(self) -> Forecast | None:
        return forecast(room=self.room, joins=self.joins, quits=self.quits, days=self.days)


@dataclass(frozen=True)
class ChatCapacity:
    chat: GroupChat
    capacity: Capacity


@dataclass(frozen=True)
class CommunityCapacity:
    total: Capacity
    chats: tuple[ChatCapacity, ...]


def capacity_of_communities(
    community_ids: Iterable[int], *, now: datetime
) -> dict[int, CommunityCapacity]:
    """Room and pace of each community with its chats, in two queries.

    A chat in transfer or dissolved takes nobody and is left out. A community that is younger than
    the days observed is judged by its own days.
    """
    wanted = sorted(set(community_ids))
    chats = list(GroupChat.objects.filter(community__in=wanted, state__in=TAKES_PEOPLE))
    chats.sort(key=lambda chat: chat.pk)
    moves = _moves([chat.pk for chat in chats], since=now - timedelta(days=OBSERVED_DAYS))
    found: dict[int, list[ChatCapacity]] = {community_id: [] for community_id in wanted}
    for chat in chats:
        joins, quits = moves.get(chat.pk, (0, 0))
        days = _days_observed([chat], now)
        one = Capacity(1, chat.member_count, chat.capacity, joins, quits, days)
        found[chat.community_id or 0].append(ChatCapacity(chat, one))
    return {
        community_id: CommunityCapacity(_together(own, now), tuple(own))
        for community_id, own in found.items()
    }


def capacity_of_ways(way_ids: Iterable[int], *, now: datetime) -> dict[int, Capacity]:
    """The same for the chosen chats of each join way, together."""
    found: dict[int, list[ChatCapacity]] = {way_id: [] for way_id in way_ids}
    routes = JoinRoute.objects.filter(
        join_way__in=found, chat__community=F("join_way__community")
    ).values_list("join_way", "chat", "chat__community")
    chosen = list(routes)
    communities = capacity_of_communities((community for *_, community in chosen), now=now)
    chats = {each.chat.pk: each for own in communities.values() for each in own.chats}
    for way_id, chat_id, _community in chosen:
        if chat_id in chats:
            found[way_id].append(chats[chat_id])
    return {way_id: _together(own, now) for way_id, own in found.items()}


def _moves(chat_ids: list[int], *, since: datetime) -> dict[int, tuple[int, int]]:
    counted = (
        Stay.objects.filter(chat__in=chat_ids)
        .values_list("chat")
        .annotate(
            joins=Count("pk", filter=Q(joined_at__gte=since)),
            quits=Count("pk", filter=Q(left_at__gte=since) & QUIT),
        )
    )
    return {chat_id: (joins, quits) for chat_id, joins, quits in counted}


def _days_observed(chats: list[GroupChat], now: datetime) -> float:
    """At least one: a rush in the first hour is no pace."""
    oldest = min((chat.created_at for chat in chats), default=now)
    return min(max((now - oldest) / timedelta(days=1), 1.0), float(OBSERVED_DAYS))


def _together(chats: list[ChatCapacity], now: datetime) -> Capacity:
    return Capacity(
        chat_count=len(chats),
        member_count=sum(each.capacity.member_count for each in chats),
        capacity=sum(each.capacity.capacity for each in chats),
        joins=sum(each.capacity.joins for each in chats),
        quits=sum(each.capacity.quits for each in chats),
        days=_days_observed([each.chat for each in chats], now),
    )
