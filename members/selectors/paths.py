"""What members did in the 30 days before their first order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from communities.models import Community

PATH_DAYS = 30
PATH_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Path:
    """``steps`` are values of ``PathStep``, each once, in the order of its first time; none: the
    order came without any sign. ``share`` is of all first buyers of the period, 0 to 1."""

    steps: tuple[str, ...]
    buyers: int
    share: float


def conversion_paths(community: Community, *, since: date, until: date) -> list[Path]:
    """The most frequent ways to a first order paid on the local days from ``since`` to ``until``
    by somebody who was in the community then, at most 20, the most frequent first."""
    return []
