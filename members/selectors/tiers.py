"""Which tier a member holds, and how many hold each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from communities.models import Tier, TierScheme
from members.models import Member, TierAssignment, TieringRun
from members.rules.standing import TierCause

LATELY = timedelta(days=30)


def holds_tier(member: Member, tier: Tier) -> bool:
    """Whether the member's current tier in the scheme is this one or a higher one. A tier that
    is locked counts like one that was earned."""
    held = TierAssignment.objects.current().filter(
        member=member, scheme=tier.scheme_id, tier__rank__gte=tier.rank
    )
    return held.exists()


@dataclass(frozen=True)
class TierShare:
    """How many members hold a tier now, how much of all that is, and how many of them are below
    what keeping it asks."""

    tier: Tier
    member_count: int
    below_count: int
    percent: int


@dataclass(frozen=True)
class Distribution:
    """Where the members of a scheme stand, highest tier first, and how many moved in 30 days."""

    tiers: tuple[TierShare, ...]
    promoted: int
    demoted: int

    @property
    def member_count(self) -> int:
        return sum(share.member_count for share in self.tiers)


def tier_distribution(scheme: TierScheme, *, now: datetime) -> Distribution:
    held = TierAssignment.objects.filter(scheme=scheme)
    counts: Mapping[int, tuple[int, int]] = {
        tier_id: (total, below)
        for tier_id, total, below in held.current()
        .values("tier")
        .annotate(total=Count("pk"), below=Count("pk", filter=Q(below_since__isnull=False)))
        .values_list("tier", "total", "below")
    }
    everybody = sum(total for total, _below in counts.values()) or 1
    shares = []
    for tier in scheme.tiers.order_by("-rank"):
        total, below = counts.get(tier.pk, (0, 0))
        shares.append(TierShare(tier, total, below, percent=round(100 * total / everybody)))
    since = now - LATELY
    return Distribution(
        tiers=tuple(shares),
        promoted=held.filter(cause=TierCause.PROMOTED, started_at__gte=since).count(),
        demoted=held.filter(end_cause=TierCause.DEMOTED, ended_at__gte=since).count(),
    )


def last_run(scheme: TierScheme) -> TieringRun | None:
    return TieringRun.objects.filter(scheme=scheme).order_by("-started_at", "-pk").first()
