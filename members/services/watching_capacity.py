"""Asking for a new chat in time: only people can create one on the platform."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from django.db.models import F, Model, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from communities.models import Community, GroupChat, JoinRoute, JoinWay
from communities.rules.capacity import NEARLY_FULL_PERCENT
from communities.rules.status import OPEN_FOR_ENTRY
from members.selectors.capacity import (
    TAKES_PEOPLE,
    Capacity,
    capacity_of_communities,
    capacity_of_ways,
)
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.services.operator_tasks import open_task, settle_tasks

BATCH = 200
#: Who closed a task is not asked again so soon, though its cause is still there.
REST = {TaskStatus.DONE: timedelta(days=1), TaskStatus.DISMISSED: timedelta(days=7)}


def watch_capacity(now: datetime) -> int:
    """Ask about every community and join way that takes people and is nearly full, and settle
    what has room again. Returns how many are asked about."""
    communities, ways = crowded_communities(), crowded_ways()
    for model, crowded in ((Community, communities), (JoinWay, ways)):
        with_room = model._default_manager.exclude(pk__in=crowded.values("pk"))
        settle_tasks(TaskKind.CAPACITY, subjects=with_room)
    asked = 0
    for some in _unrested(communities.select_related("owner"), now):
        found = capacity_of_communities([each.pk for each in some], now=now)
        for community in some:
            total = found[community.pk].total
            _ask(community, title_for_community(community, total), total, community)
        asked += len(some)
    for ways_of_batch in _unrested(ways.select_related("community__owner"), now):
        totals = capacity_of_ways([each.pk for each in ways_of_batch], now=now)
        for way in ways_of_batch:
            total = totals[way.pk]
            _ask(way, title_for_way(way, total), total, way.community)
        asked += len(ways_of_batch)
    return asked


def crowded_communities() -> QuerySet[Community]:
    """Taking people, with at most a fifth of the places free, or without any place."""
    chats = GroupChat.objects.filter(community=OuterRef("pk"))
    return _crowded(Community.objects.filter(status__in=OPEN_FOR_ENTRY), chats)


def crowded_ways() -> QuerySet[JoinWay]:
    """Of those that lead to chosen chats; the others share the fate of their community."""
    chosen = JoinRoute.objects.filter(join_way=OuterRef(OuterRef("pk")))
    chats = GroupChat.objects.filter(community=OuterRef("community"), pk__in=chosen.values("chat"))
    ways = JoinWay.objects.active().filter(
        community__status__in=OPEN_FOR_ENTRY, pk__in=JoinRoute.objects.values("join_way")
    )
    return _crowded(ways, chats)


def _crowded[M: Model](subjects: QuerySet[M], chats: QuerySet[GroupChat]) -> QuerySet[M]:
    """``chats`` are those of one subject, all of one community."""
    taking = chats.filter(state__in=TAKES_PEOPLE).order_by().values("community")
    people = Coalesce(Subquery(taking.values(total=Sum("member_count"))), 0)
    places = Coalesce(Subquery(taking.values(total=Sum("capacity"))), 0)
    counted: Any = subjects.alias(people=people, places=places)
    enough: QuerySet[M] = counted.filter(people__gte=(F("places") * NEARLY_FULL_PERCENT + 99) / 100)
    return enough


def _unrested[M: Model](subjects: QuerySet[M], now: datetime) -> Iterator[list[M]]:
    """In batches, those about whom nobody has just said that it is done or need not be."""
    for some in batched(subjects.order_by("pk").iterator(chunk_size=BATCH), BATCH):
        resting = _resting(some, now)
        yield [each for each in some if each.pk not in resting]


def _resting(subjects: Iterable[Model], now: datetime) -> set[int]:
    rest = Q(pk__in=[])
    for status, pause in REST.items():
        rest |= Q(status=status, closed_at__gt=now - pause)
    subjects = tuple(subjects)
    closed = OperatorTask.objects.filter(
        rest,
        kind=TaskKind.CAPACITY,
        closed_by__isnull=False,
        object_type=subjects[0]._meta.label_lower,
        object_id__in=[each.pk for each in subjects],
    )
    return set(closed.values_list("object_id", flat=True))


def _ask(subject: Model, title: str, capacity: Capacity, community: Community) -> None:
    open_task(
        TaskKind.CAPACITY,
        subject=subject,
        title=title,
        details=told(capacity),
        assignee=community.owner,
    )


def title_for_community(community: Community, capacity: Capacity) -> str:
    names = {"name": community.name, "room": capacity.room, "until": until_full(capacity)}
    if not capacity.chat_count:
        return _("“%(name)s”没有客户群，请在企业微信新建客户群") % names
    if not capacity.room:
        return _("“%(name)s”的客户群都满了，请在企业微信新建客户群") % names
    return _("“%(name)s”只剩 %(room)d 个空位%(until)s，请在企业微信新建客户群") % names


def title_for_way(way: JoinWay, capacity: Capacity) -> str:
    names = {"name": way.name, "room": capacity.room, "until": until_full(capacity)}
    if not capacity.room:
        return _("群活码“%(name)s”的群都满了，请给它加群") % names
    return _("群活码“%(name)s”的群只剩 %(room)d 个空位%(until)s，请给它加群") % names


def until_full(capacity: Capacity) -> str:
    """When it will be full, in words; nothing where there is no telling."""
    found = capacity.forecast
    if found is None:
        return ""
    return _("（约 %(days)d 天后满）") % {"days": max(round(found.days), 1)}


def told(capacity: Capacity) -> dict[str, object]:
    found = capacity.forecast
    return {
        "chats": capacity.chat_count,
        "member_count": capacity.member_count,
        "capacity": capacity.capacity,
        "room": capacity.room,
        "joins_per_day": round(capacity.joins_per_day, 1),
        "days_until_full": None if found is None else round(found.days, 1),
    }
