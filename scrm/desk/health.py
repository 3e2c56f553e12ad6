"""The communities that do worst beside their own past, as one user may see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.urls import reverse

from communities.models import Community
from communities.rules.status import OPEN_FOR_ENTRY
from members.selectors.activity_figures import compare_communities
from scrm.desk.insight.cards import FigureCard, cards_of
from scrm.desk.memory import remembered
from scrm.desk.numbers import Desk
from scrm.shared.figures import Figure

WEAKEST = 6
FOUR_WEEKS = timedelta(days=28)
KEPT = 600  # seconds; figures of communities are measured once a night
COLUMNS = ("health", "active_share", "buyer_share", "advert_share")


@dataclass(frozen=True)
class Weak:
    """Figures of last night and of four weeks before."""

    community_id: int
    name: str
    now: dict[str, Figure]
    before: dict[str, Figure]


@dataclass(frozen=True)
class WeakRow:
    name: str
    link: str
    cards: list[FigureCard]


def weakest_rows(desk: Desk) -> list[WeakRow]:
    key = f"desk:weakest:{desk.user.pk}:{desk.today}"
    return [
        WeakRow(
            name=one.name,
            link=reverse("admin:members_communityday_insight", args=[one.community_id]),
            cards=cards_of(COLUMNS, one.now, one.before),
        )
        for one in remembered(key, lambda: weakest(desk), seconds=KEPT)
    ]


def weakest(desk: Desk) -> list[Weak]:
    """Those with the lowest health, of the communities of which it is known."""
    running = Community.objects.visible_to(desk.user).filter(status__in=OPEN_FOR_ENTRY)
    yesterday = desk.today - timedelta(days=1)
    scores = {}
    for line in compare_communities(running, on=yesterday):
        health = line.figures.get("health")
        if health is not None and health.value is not None:
            scores[line.community_id] = (health.value, line.figures)
    lowest = sorted(scores, key=lambda pk: (scores[pk][0], pk))[:WEAKEST]
    shown = Community.objects.filter(pk__in=lowest)
    names = dict(shown.values_list("pk", "name"))
    before = {
        line.community_id: line.figures
        for line in compare_communities(shown, on=yesterday - FOUR_WEEKS)
    }
    return [Weak(pk, names[pk], scores[pk][1], before.get(pk, {})) for pk in lowest]
