"""The health of a community, 0 to 100, and the parts it is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from communities.metrics import COMMUNITY_METRICS
from communities.models import Community
from members.models import CommunityDay
from members.rules.insight import (
    FEWEST_WEEKS,
    HEALTH_PARTS,
    NO_HISTORY,
    NOT_REPORTED,
    NOTHING_MEASURED,
    Part,
    health_score,
    kept_value,
    percentile_of,
)
from members.selectors.activity_figures import known_figures
from scrm.shared.figures import NO_NOTE, Figure, Measured, Note

HISTORY = timedelta(days=364)
NEEDED = frozenset(name for part in HEALTH_PARTS for name in part.figures)

type History = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class HealthPart:
    """``percentile`` (0 to 1) is the share of the community's own last twelve months that was not
    better; None where the part was not measured, and ``note`` says why. ``figures`` are those it
    is made of."""

    name: str
    weight: int
    percentile: float | None
    note: Note
    figures: list[Figure]


@dataclass(frozen=True, slots=True)
class Health:
    """``score`` counts only the parts that were measured; None where none was."""

    score: float | None
    parts: list[HealthPart]


def health_of(community: Community, *, on: date) -> Health:
    """The health on a local day against the last twelve months of the same community."""
    return _health(known_figures(community, on, names=NEEDED), _history(community, on))


def health_figure(community: Community, on: date, measured: Measured) -> Figure:
    health = _health(measured, _history(community, on))
    known = sum(part.percentile is not None for part in health.parts)
    return Figure("health", health.score, note=NO_NOTE if known else NOTHING_MEASURED, n=known)


def _health(measured: Measured, history: History) -> Health:
    parts = [_part(part, measured, history) for part in HEALTH_PARTS]
    return Health(health_score({part.name: part.percentile for part in parts}), parts)


def _part(part: Part, measured: Measured, history: History) -> HealthPart:
    figures = [measured[name] for name in part.figures if name in measured]
    percentiles = []
    for figure in figures:
        definition, past = COMMUNITY_METRICS.get(figure.name), history.get(figure.name, ())
        if definition and figure.value is not None and len(past) >= FEWEST_WEEKS:
            percentiles.append(percentile_of(figure.value, past, definition.better))
    if percentiles:
        mean = sum(percentiles) / len(percentiles)
        return HealthPart(part.name, part.weight, mean, NO_NOTE, figures)
    if any(figure.value is not None for figure in figures):
        return HealthPart(part.name, part.weight, None, NO_HISTORY, figures)
    note = next((figure.note for figure in figures if figure.note), NOT_REPORTED)
    return HealthPart(part.name, part.weight, None, note, figures)


def _history(community: Community, on: date) -> dict[str, list[float]]:
    """The values of the Sundays of the last twelve months, by figure."""
    days = CommunityDay.objects.filter(
        community=community, day__gte=on - HISTORY, day__lt=on, day__week_day=1
    )
    found: dict[str, list[float]] = defaultdict(list)
    for kept in days.exclude(figures={}).values_list("figures", flat=True):
        for name in NEEDED:
            definition = COMMUNITY_METRICS.get(name)
            value = kept_value(kept, definition) if definition else None
            if value is not None:
                found[name].append(value)
    return found
