"""What an operator wants to know of a community before anything else, in one panel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Community, EntryPolicy, GroupChat, JoinWay
from communities.rules.status import OPEN_FOR_ENTRY
from communities.selectors import with_people
from scrm.accounts.models import User
from scrm.shared.criterion_words import describe_stored

NEARLY_PERCENT = 80  # of the target size: time to think of a split
SCANNED_DAYS = 14
WAYS_SHOWN = 4


@dataclass(frozen=True)
class Size:
    """How large a community is beside what it was planned for."""

    people: int
    target: int
    minimum: int
    capacity: int
    chats: int

    @property
    def percent(self) -> int:
        return self.people * 100 // self.target if self.target else 0

    @property
    def tone(self) -> str:
        if self.percent >= 100:
            return "danger"
        return "warning" if self.percent >= NEARLY_PERCENT else "good"

    @property
    def advice(self) -> str:
        if self.people > self.target:
            over = self.people - self.target
            return _("比目标多 %(over)d 人，可以拆群了。") % {"over": over}
        if self.percent >= NEARLY_PERCENT:
            return _("已到目标的 %(percent)d%%，该准备拆群了。") % {"percent": self.percent}
        if self.people < self.minimum:
            lacking = self.minimum - self.people
            return _("离最小规模还差 %(lacking)d 人。") % {"lacking": lacking}
        return ""


@dataclass(frozen=True)
class Entry:
    """Who may come in, in words."""

    policy: EntryPolicy | None
    words: str
    evidence: str
    is_open: bool
    link: str


@dataclass(frozen=True)
class Facts:
    community: Community
    size: Size
    entry: Entry
    ways: list[JoinWay]
    more_ways: int


def facts_of(community: Community, *, user: User) -> Facts:
    ways = list(_ways(community, user=user)[: WAYS_SHOWN + 1])
    total = _ways(community, user=user).count() if len(ways) > WAYS_SHOWN else len(ways)
    return Facts(
        community=community,
        size=_size(community),
        entry=_entry(community),
        ways=ways[:WAYS_SHOWN],
        more_ways=total - len(ways[:WAYS_SHOWN]),
    )


def join_link(community: Community) -> str:
    """The public page where people apply."""
    return f"{settings.PUBLIC_URL}/join/{community.join_slug}"


def _size(community: Community) -> Size:
    counted: Any = with_people(Community.objects.filter(pk=community.pk)).get()
    chats = GroupChat.objects.filter(community=community)
    carried = chats.aggregate(chats=Count("pk"), capacity=Coalesce(Sum("capacity"), 0))
    return Size(
        people=counted.people_count,
        target=community.target_size,
        minimum=community.minimum_size,
        **carried,
    )


def _entry(community: Community) -> Entry:
    policies = EntryPolicy.objects.active().filter(community=community)
    policy = policies.prefetch_related("evidence_axes").first()
    axes = policy.evidence_axes.all() if policy else ()
    criterion = policy.criterion if policy else {}
    return Entry(
        policy=policy,
        words=describe_stored(criterion, enterprise_id=community.enterprise_id)
        if criterion
        else "",
        evidence="、".join(axis.name for axis in axes),
        is_open=policy is not None and community.status in OPEN_FOR_ENTRY,
        link=join_link(community),
    )


def _ways(community: Community, *, user: User) -> QuerySet[JoinWay]:
    """Those still in use, with how often they were scanned lately, the busiest first."""
    since = timezone.now().astimezone(community.enterprise.zone).date() - timedelta(
        days=SCANNED_DAYS - 1
    )
    lately = Sum("days__scan_count", filter=Q(days__day__gte=since))
    ways = JoinWay.objects.visible_to(user).active().filter(community=community)
    return ways.annotate(scans=Coalesce(lately, 0)).order_by(F("scans").desc(), "pk")
