"""Things that are defined by criteria which name things: does one of them need itself?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple


class DefinedBy(StrEnum):
    """What has criteria of its own and can be named in others."""

    AXIS = "axis"  # by the rules of its values
    TIER_SCHEME = "tier_scheme"  # by its tiers
    SEGMENT = "segment"


class Thing(NamedTuple):
    kind: DefinedBy
    code: str


def circle_through(start: Thing, needs: Callable[[Thing], Iterable[Thing]]) -> list[Thing]:
    """The shortest way from a thing over what it needs back to itself; empty if there is none."""
    came_from: dict[Thing, Thing] = {}
    waiting = [start]
    for thing in waiting:
        for needed in needs(thing):
            if needed == start:
                return [*_way_to(thing, came_from), start]
            if needed not in came_from:
                came_from[needed] = thing
                waiting.append(needed)
    return []


def _way_to(thing: Thing, came_from: dict[Thing, Thing]) -> list[Thing]:
    way = [thing]
    while way[0] in came_from:
        way.insert(0, came_from[way[0]])
    return way
