"""Trees kept as "child -> parent": would a new parent make a loop, or a tree too deep?"""

from __future__ import annotations

from collections.abc import Mapping

MAX_DEPTH = 5

type Parents = Mapping[int, int | None]


def would_loop(parents: Parents, *, node: int | None, parent: int) -> bool:
    """Whether ``parent`` is ``node`` or lies below it."""
    return node is not None and node in _chain(parents, parent)


def depth_under(parents: Parents, *, node: int | None, parent: int) -> int:
    """How many levels the tree counts along ``node`` once it hangs under ``parent``."""
    return len(_chain(parents, parent)) + _height(parents, node)


def at_or_below(parents: Parents, node: int) -> frozenset[int]:
    """The node and everything under it."""
    return frozenset(child for child in parents if node in _chain(parents, child)) | {node}


def ancestor_at(parents: Parents, node: int, *, level: int) -> int:
    """The ancestor on a level, counted from 1 at the top; nodes above that level stay."""
    chain = _chain(parents, node)
    return chain[max(0, len(chain) - level)]


def _chain(parents: Parents, node: int | None) -> list[int]:
    chain: list[int] = []
    while node is not None and node not in chain:
        chain.append(node)
        node = parents.get(node)
    return chain


def _height(parents: Parents, node: int | None) -> int:
    if node is None:
        return 1
    return max(
        [chain.index(node) + 1 for child in parents if node in (chain := _chain(parents, child))],
        default=1,
    )
