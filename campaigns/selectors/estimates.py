"""How many a broadcast would reach, whom it leaves out and why: before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count

from campaigns.models import Broadcast
from campaigns.selectors.audience import Audience, audience_of, distinct_count
from campaigns.selectors.recipients import Mailing, load_recipients
from communities.models import Community

SAMPLE_SIZE = 3


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
    this kind could reach in the enterprise; ``share`` is the audience's part of them, 0 to 1."""

    recipient_count: int
    will_send_count: int = 0
    eligible_count: int = 0
    share: float = 0.0
    is_full_blast: bool = False
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
        will_send_count=wanted,
        communities=[
            CommunityShare(community.pk, community.name, shares.get(community.pk, 0))
            for community in communities
        ],
        excluded=[reason for reason in left_out if reason.count],
        samples=samples_of(audience, names={one.pk: one.name for one in communities}),
    )


def samples_of(audience: Audience, *, names: dict[int, str]) -> list[Sample]:
    ids = audience.ids_in(*audience.community_ids)
    first = list(ids.order_by(audience.key).distinct()[:SAMPLE_SIZE])
    mailing = Mailing.of(audience.broadcast, communities=names)
    rows = load_recipients(mailing, first)
    return [Sample(row.name, mailing.rendered_or_reason(row)) for row in rows]
