"""The figures of a community on a day, and of several communities beside each other.

What was kept with the day is read; what was not is measured now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from communities.metrics import COMMUNITY_METRICS
from communities.models import Community
from communities.models.community import CommunityQuerySet
from members.models import CommunityDay
from members.rules.insight import kept_figure
from scrm.shared.figures import Figure

COMPARED_WITHIN = timedelta(days=7)


def figures_of(community: Community, *, on: date) -> list[Figure]:
    """Every registered figure of a community for the windows that end with the local day ``on``,
    in the order of the registry. ``on`` is a day that is over: yesterday, or earlier."""
    known = known_figures(community, on)
    return [known[definition.name] for definition in COMMUNITY_METRICS]


def known_figures(
    community: Community, on: date, *, names: frozenset[str] | None = None
) -> dict[str, Figure]:
    """The figures of these names, or all, by name; those that no app registers are not there."""
    days = CommunityDay.objects.filter(community=community, day=on)
    kept = days.values_list("figures", flat=True).first() or {}
    found: dict[str, Figure] = {}
    missing = set()
    for definition in COMMUNITY_METRICS:
        if names is not None and definition.name not in names:
            continue
        figure = kept_figure(kept, definition)
        if figure is None:
            missing.add(definition.name)
        else:
            found[definition.name] = figure
    if missing:
        found |= COMMUNITY_METRICS.measure(community, on, names=frozenset(missing))
    return found


@dataclass(frozen=True, slots=True)
class CommunityLine:
    """A community beside others, with the figures that were kept with its latest day."""

    community_id: int
    day: date
    figures: dict[str, Figure]


def compare_communities(communities: CommunityQuerySet, *, on: date) -> list[CommunityLine]:
    """One line for each community of which figures were kept in the week up to ``on``, in the
    order of their ids. Nothing is measured now, so it costs one query."""
    days = CommunityDay.objects.filter(
        community__in=communities, day__gt=on - COMPARED_WITHIN, day__lte=on
    ).exclude(figures={})
    latest = days.order_by("community_id", "-day").distinct("community_id")
    return [
        CommunityLine(
            day.community_id,
            day.day,
            {
                definition.name: figure
                for definition in COMMUNITY_METRICS
                if (figure := kept_figure(day.figures, definition))
            },
        )
        for day in latest.defer("hour_actives")
    ]
