"""Who takes over what: things, colleagues and policies in, one assignment per thing out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from communities.rules.transfers import Selection


@dataclass(frozen=True, slots=True)
class Thing:
    """A chat, a customer or a community that is to be handed over.

    ``values`` are the classification values of its community and everything above them, each with
    its distance from the nearest of the community's own (0: its own). ``departments`` are the
    giver's department and those above it, nearest first. ``pinned_id`` is the receiver whom a
    person has chosen for this one thing; ``preferred_id`` stays the receiver where that is
    possible.
    """

    key: int
    subject: str
    giver_id: int
    kind: str = ""
    tier_id: int | None = None
    values: Mapping[int, int] = field(default_factory=dict)
    departments: tuple[int, ...] = ()
    backup_id: int | None = None
    pinned_id: int | None = None
    preferred_id: int | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody whom a policy names, for a classification or in general."""

    staff_id: int
    value_id: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """``maximum``: how many of its subject a receiver may have in the end; None is no limit, 0 is
    nobody. ``receivers`` in their order."""

    id: int
    subject: str
    selection: str
    fallback: str = ""
    kind: str = ""
    tier_id: int | None = None
    value_id: int | None = None
    maximum: int | None = None
    needs_approval: bool = True
    receivers: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A colleague. ``loads`` and ``refusals`` are by subject: how many they have and are about to
    get, and the code of why they may not receive; a missing one is 0, or no reason."""

    staff_id: int
    department_id: int | None = None
    loads: Mapping[str, int] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assignment:
    """``receiver_id`` is None where nobody was found: ``reason`` says why. ``policy_id`` is the
    policy that applies, None where none does; ``selection`` is how the receiver was found."""

    key: int
    receiver_id: int | None
    policy_id: int | None
    selection: str
    reason: str = ""


def plan(
    things: Sequence[Thing],
    candidates: Sequence[Candidate],
    policies: Sequence[Policy],
    *,
    chosen: Sequence[int] = (),
) -> list[Assignment]:
    """One assignment per thing, in the order of their keys; the same for the same input in any
    order. ``chosen`` are the receivers whom a person has named for all of it: they win over the
    policies' selection, evenly, within the policies' maximum."""
    raise NotImplementedError


def policy_for(thing: Thing, policies: Sequence[Policy]) -> Policy | None:
    """The most specific policy in force for it: the one with more conditions, then classification
    before tier before kind, then the older one."""
    raise NotImplementedError


DEFAULT_SELECTION = Selection.LEAST_LOADED
