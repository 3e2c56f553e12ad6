"""Where a community that stayed too small could go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FAR = 1_000  # more ranks than any scheme has


@dataclass(frozen=True, slots=True)
class Candidate:
    """What counts of a community when two are compared; ``tier`` is (scheme, rank)."""

    pk: int
    values: frozenset[int]
    kind: str
    tier: tuple[int, int] | None
    size: int
    target_size: int
    is_parent: bool = False


def best_target(small: Candidate, candidates: Iterable[Candidate]) -> Candidate | None:
    """The community most like it that has room for all of its people.

    Shared classifications count first, then the kind, then how far apart the tiers are; of equals
    a sibling is nearer than the parent, and the smaller one gains more.
    """
    return min(
        (one for one in candidates if has_room(one, small) and is_alike(one, small)),
        key=lambda one: (
            -len(one.values & small.values),
            one.kind != small.kind,
            tiers_apart(small, one),
            one.is_parent,
            one.size,
            one.pk,
        ),
        default=None,
    )


def has_room(one: Candidate, small: Candidate) -> bool:
    return one.size + small.size <= one.target_size


def is_alike(one: Candidate, small: Candidate) -> bool:
    """The parent is for everybody; a sibling is of the same kind or for the same people."""
    return one.is_parent or one.kind == small.kind or bool(one.values & small.values)


def tiers_apart(one: Candidate, other: Candidate) -> int:
    """Ranks between two thresholds. None at all is the bottom; schemes cannot be compared."""
    if one.tier is None and other.tier is None:
        return 0
    if one.tier is None or other.tier is None:
        return (one.tier or other.tier or (0, 0))[1]
    if one.tier[0] != other.tier[0]:
        return FAR
    return abs(one.tier[1] - other.tier[1])
