"""How the made-up communities grow: the codes people scan, and what has grown too large or stayed
too small."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from communities.models import JoinWay, JoinWayDay
from communities.services.join_ways import RouteFields, create_join_way, pause_join_way
from members.models import Stay
from members.services.proposing_merges import propose_merges
from members.services.splitting import draft_split
from members.services.watching_capacity import watch_capacity
from scrm.demo.founding import Founded

SCANNED_DAYS = 45
LED_DAYS = 30  # of these days we know by which code people came


@dataclass(frozen=True)
class WaySpec:
    community: str
    name: str
    source: str
    scans: int  # on an ordinary day
    joins: float  # of those who came lately, how many came by it
    is_resting: bool = False


WAYS = (
    WaySpec("planet", "包裹卡", "parcel-card", 34, 0.45),
    WaySpec("planet", "门店收银台立牌", "store-counter", 18, 0.2),
    WaySpec("planet", "夏日宠物展", "expo-summer", 3, 0.05, is_resting=True),
    WaySpec("nanjing-store", "新街口店海报", "store-xinjiekou", 9, 0.7),
    WaySpec("corgi", "柯基减重打卡活动", "corgi-event", 12, 0.4),
    WaySpec("vip", "VIP 专属邀请卡", "vip-card", 2, 0.3),
)
WEEK = (0.8, 0.75, 0.8, 0.9, 1.1, 1.6, 1.5)  # Monday first


def hang_up_codes(founded: Founded, *, seed: int) -> int:
    random = Random(f"{seed}:ways")
    for spec in WAYS:
        way = create_join_way(
            founded.communities[spec.community],
            name=spec.name,
            source=spec.source,
            actor=founded.users["yunying"],
            routes=routes_of(founded, spec),
        )
        count_scans(founded, way, spec, random)
        lead_people(founded, way, spec, random)
        if spec.is_resting:
            pause_join_way(way.pk, actor=founded.users["yunying"])
    return len(WAYS)


def routes_of(founded: Founded, spec: WaySpec) -> list[RouteFields]:
    """The newest chat first; the last of them only when the others are full."""
    chats = list(founded.communities[spec.community].group_chats.order_by("-pk")[:3])
    weights = (3, 1, 0)
    return [RouteFields(chat=chat, weight=weights[at]) for at, chat in enumerate(chats)]


def count_scans(founded: Founded, way: JoinWay, spec: WaySpec, random: Random) -> None:
    today = founded.now.date()
    created = founded.now - timedelta(days=SCANNED_DAYS)
    JoinWay.objects.filter(pk=way.pk).update(created_at=created)
    days = [today - timedelta(days=ago) for ago in range(SCANNED_DAYS)]
    JoinWayDay.objects.bulk_create(
        JoinWayDay(
            join_way=way,
            day=day,
            scan_count=int(spec.scans * WEEK[day.weekday()] * random.uniform(0.5, 1.5)),
        )
        for day in days
    )


def lead_people(founded: Founded, way: JoinWay, spec: WaySpec, random: Random) -> None:
    """Say of some who came lately that they came by this code."""
    lately = Stay.objects.filter(
        membership__community=way.community,
        joined_at__gte=founded.now - timedelta(days=LED_DAYS),
        join_way=None,
    )
    led = [pk for pk in lately.values_list("pk", flat=True) if random.random() < spec.joins]
    Stay.objects.filter(pk__in=led).update(join_way=way)


def look_at_sizes(founded: Founded) -> int:
    """The national community has outgrown its target; others are nearly full, or too small."""
    draft_split(
        founded.communities["planet"],
        axes=[founded.axes["region"], founded.axes["breed"]],
        actor=founded.users["yunying"],
        minimum_size=30,
    )
    watch_capacity(founded.now)
    return propose_merges(founded.now)
