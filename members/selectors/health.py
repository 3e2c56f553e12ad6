"""The health of a community, 0 to 100, and the parts it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from communities.models import Community


@dataclass(frozen=True, slots=True)
class HealthPart:
    """``percentile`` (0 to 1) is the share of the community's own last twelve months that was not
    better; None where the part was not measured, and ``note`` says why."""

    name: str
    label: str
    weight: int
    value: float | None
    percentile: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Health:
    """``score`` counts only the parts that were measured; None where none was."""

    score: float | None
    parts: list[HealthPart]


def health_of(community: Community, *, on: date) -> Health:
    """The health on a local day against the last twelve months of the same community."""
    return Health(None, [])
