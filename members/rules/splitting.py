"""How a grown community falls apart into branches: which value counts, and what may stand alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

#: The metrics in which the thresholds and invitations of branches are written.
CLASSIFIED = "classified_as"
IN_COMMUNITY = "in_community"

MAX_AXES = 3
MAX_LEVEL = 5
MAX_BRANCHES = 150  # more than anybody reads, and than one form may send
MAX_SIZE = 1_000_000

type Parents = Mapping[int, int | None]


def places_at(parents: Parents, level: int) -> dict[int, int]:
    """Of each value of a tree the value that stands for it when the tree is cut at a level.

    Level 1 is the top. A value below the level counts as its ancestor there. A value above it
    counts as itself when it has nothing below, and otherwise not at all: somebody known only to
    be from the east has no city.
    """
    inner = set(parents.values())
    places: dict[int, int] = {}
    for value in parents:
        chain = _from_the_top(parents, value)
        if len(chain) >= level:
            places[value] = chain[level - 1]
        elif value not in inner:
            places[value] = value
    return places


def may_stand_alone(member_count: int, *, minimum_size: int, override_reason: str) -> bool:
    """Whether a branch may become a community: big enough, or wanted for a reason. Nobody at all
    is no community for any reason."""
    return member_count > 0 and (member_count >= minimum_size or bool(override_reason.strip()))


def chosen_after_recount(
    was_chosen: bool, *, before: int, now: int, minimum_size: int, override_reason: str
) -> bool:
    """Whether a branch is chosen after its people were counted again.

    What an operator decided stays; what only its size decided is decided anew.
    """
    if not may_stand_alone(now, minimum_size=minimum_size, override_reason=override_reason):
        return False
    was_too_small = before < minimum_size
    return was_chosen or was_too_small


def free_code(parts: Sequence[str], *, taken: frozenset[str], limit: int) -> str:
    """A code made of the parts that nobody has yet."""
    whole = "-".join(parts)
    return next(code for code in _numbered(whole, limit) if code not in taken)


def _numbered(whole: str, limit: int) -> Iterator[str]:
    yield whole[:limit]
    number = 2
    while True:
        ending = f"-{number}"
        yield whole[: limit - len(ending)] + ending
        number += 1


def _from_the_top(parents: Parents, value: int) -> list[int]:
    chain: list[int] = []
    at: int | None = value
    while at is not None and at not in chain:
        chain.append(at)
        at = parents.get(at)
    return chain[::-1]
