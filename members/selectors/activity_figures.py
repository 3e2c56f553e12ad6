"""The figures of a community on a day, and of several communities beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from communities.metrics import COMMUNITY_METRICS
from communities.models import Community
from communities.models.community import CommunityQuerySet
from scrm.shared.figures import Figure


def figures_of(community: Community, *, on: date) -> list[Figure]:
    """Every registered figure of a community for the windows that end with the local day ``on``,
    in the order of the registry. ``on`` is a day that is over: yesterday, or earlier."""
    measured = COMMUNITY_METRICS.measure(community, on)
    return [measured[definition.name] for definition in COMMUNITY_METRICS]


@dataclass(frozen=True, slots=True)
class CommunityLine:
    """A community beside others: what its last snapshot on or before a day says."""

    community_id: int
    day: date
    figures: dict[str, Figure]


def compare_communities(communities: CommunityQuerySet, *, on: date) -> list[CommunityLine]:
    """One line for each community that has a snapshot, in the order of their ids."""
    return []
