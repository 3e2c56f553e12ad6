"""Who takes over what: things, colleagues and policies in, one assignment per thing out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import groupby

from communities.rules.transfers import Selection

#: How a receiver is found where no policy applies.
DEFAULT_SELECTION = Selection.LEAST_LOADED
NO_LIMIT = 2**31


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
    preferred_selection: str = ""


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
    policies' selection, one as many as the other, within the policies' maximum.

    What a person has pinned is served first, then what is to stay as it is, then the policies with
    the lowest maximum. Whoever receives by a policy stays within its maximum to the end, whatever
    else they are given.
    """
    book = _Book(candidates, policies, chosen)
    ordered = sorted(things, key=lambda each: (*_urgency(each, book.policy_of(each)), each.key))
    return sorted((book.assign(thing) for thing in ordered), key=lambda each: each.key)


def policy_for(thing: Thing, policies: Iterable[Policy]) -> Policy | None:
    """The most specific policy that applies: the one with more conditions, then classification
    before tier before kind, then the nearer classification, then the older policy."""
    fitting = [policy for policy in policies if _applies(policy, thing)]
    return min(fitting, key=lambda policy: _generality(policy, thing), default=None)


def _applies(policy: Policy, thing: Thing) -> bool:
    return (
        policy.subject == thing.subject
        and policy.kind in ("", thing.kind)
        and policy.tier_id in (None, thing.tier_id)
        and (policy.value_id is None or policy.value_id in thing.values)
    )


def _generality(policy: Policy, thing: Thing) -> tuple[int, bool, bool, bool, int, int]:
    missing = (policy.value_id is None, policy.tier_id is None, policy.kind == "")
    distance = 0 if policy.value_id is None else thing.values[policy.value_id]
    return (sum(missing), *missing, distance, policy.id)


def _urgency(thing: Thing, policy: Policy | None) -> tuple[bool, bool, int]:
    return (thing.pinned_id is None, thing.preferred_id is None, _limit(policy))


def _limit(policy: Policy | None) -> int:
    return NO_LIMIT if policy is None or policy.maximum is None else policy.maximum


type PoolKey = tuple[str, int, int]
"""The kind of a pool, whose it is, and which of its."""

EVERYBODY, DEPARTMENT, PERSON, VALUE, CHOSEN = (
    "everybody",
    "department",
    "person",
    "value",
    "chosen",
)
#: Here somebody was meant by name; elsewhere the giver is just not asked.
BY_NAME = frozenset({PERSON, VALUE, CHOSEN})


class _Book:
    """Who has how much while a plan is made."""

    def __init__(
        self, candidates: Sequence[Candidate], policies: Sequence[Policy], chosen: Sequence[int]
    ) -> None:
        self.candidates = {each.staff_id: each for each in candidates}
        self.policies = policies
        self.policy_by_id = {policy.id: policy for policy in policies}
        self.chosen = tuple(dict.fromkeys(chosen))
        self.loads = {
            (each.staff_id, subject): load
            for each in candidates
            for subject, load in each.loads.items()
        }
        self.given: dict[tuple[int, str], int] = {}
        self.caps: dict[tuple[int, str], int] = {}
        self.departments = _by_department(candidates)
        self._applying: dict[object, Policy | None] = {}
        self._heaps: dict[object, list[tuple[int, int, int]]] = {}
        self._refusals: dict[object, str] = {}

    def policy_of(self, thing: Thing) -> Policy | None:
        profile = (thing.subject, thing.kind, thing.tier_id, tuple(sorted(thing.values.items())))
        if profile not in self._applying:
            self._applying[profile] = policy_for(thing, self.policies)
        return self._applying[profile]

    def assign(self, thing: Thing) -> Assignment:
        policy = self.policy_of(thing)
        policy_id = None if policy is None else policy.id
        asked: list[PoolKey] = []
        for selection, pools in self._ways(thing, policy):
            for pool in pools:
                asked.append(pool)
                receiver_id = self._take(pool, thing, _limit(policy))
                if receiver_id is not None:
                    self._give(receiver_id, thing.subject, _limit(policy))
                    return Assignment(thing.key, receiver_id, policy_id, selection)
        return Assignment(thing.key, None, policy_id, "", self._refusal(tuple(asked), thing))

    def _ways(self, thing: Thing, policy: Policy | None) -> Iterator[tuple[str, Sequence[PoolKey]]]:
        """The pools to ask, way by way."""
        if thing.pinned_id is not None:
            yield Selection.CHOSEN, [(PERSON, thing.pinned_id, 0)]
            return
        if thing.preferred_id is not None:
            yield thing.preferred_selection, [(PERSON, thing.preferred_id, 0)]
        if self.chosen:
            yield Selection.CHOSEN, [(CHOSEN, 0, 0)]
            return
        if policy is None:
            yield DEFAULT_SELECTION, [(EVERYBODY, 0, 0)]
            return
        for selection in dict.fromkeys([policy.selection, policy.fallback]):
            yield selection, _pools(selection, thing, policy)

    def _take(self, pool: PoolKey, thing: Thing, limit: int) -> int | None:
        """The least loaded of a pool who has room, and is not the giver."""
        heap = self._heap(pool, thing.subject, limit)
        givers: list[tuple[int, int, int]] = []
        found = None
        while heap and found is None:
            entry = heap[0]
            staff_id = entry[-1]
            current = self._weight(pool, staff_id, thing.subject)
            if not self._has_room(staff_id, thing.subject, limit):
                heappop(heap)  # and never again: loads only grow
            elif entry != current:
                heappop(heap)
                heappush(heap, current)
            elif staff_id == thing.giver_id:
                givers.append(heappop(heap))
            else:
                found = staff_id
        for entry in givers:
            heappush(heap, entry)
        return found

    def _heap(self, pool: PoolKey, subject: str, limit: int) -> list[tuple[int, int, int]]:
        key = (pool, subject, limit)
        if key not in self._heaps:
            heap = [
                self._weight(pool, staff_id, subject)
                for staff_id in self._members(pool)
                if self._is_eligible(staff_id, subject)
            ]
            heapify(heap)
            self._heaps[key] = heap
        return self._heaps[key]

    def _members(self, pool: PoolKey) -> Iterable[int]:
        kind, whose, which = pool
        if kind == EVERYBODY:
            return self.candidates
        if kind == DEPARTMENT:
            return self.departments.get(whose, [])
        if kind == CHOSEN:
            return self.chosen
        if kind == PERSON:
            return [whose]
        names = self.policy_by_id[whose].receivers
        return dict.fromkeys(each.staff_id for each in names if each.value_id == which)

    def _is_eligible(self, staff_id: int, subject: str) -> bool:
        candidate = self.candidates.get(staff_id)
        return candidate is not None and not candidate.refusals.get(subject)

    def _weight(self, pool: PoolKey, staff_id: int, subject: str) -> tuple[int, int, int]:
        """Who is served first; it only grows. Those whom a person chose get the same number."""
        place = (staff_id, subject)
        share = self.given.get(place, 0) if pool[0] == CHOSEN else 0
        return (share, self.loads.get(place, 0), staff_id)

    def _has_room(self, staff_id: int, subject: str, limit: int) -> bool:
        place = (staff_id, subject)
        return self.loads.get(place, 0) < min(limit, self.caps.get(place, NO_LIMIT))

    def _give(self, staff_id: int, subject: str, limit: int) -> None:
        place = (staff_id, subject)
        self.loads[place] = self.loads.get(place, 0) + 1
        self.given[place] = self.given.get(place, 0) + 1
        self.caps[place] = min(limit, self.caps.get(place, NO_LIMIT))

    def _refusal(self, asked: tuple[PoolKey, ...], thing: Thing) -> str:
        """Why none of these pools has a receiver; the same for all things of one giver."""
        key = (asked, thing.subject, thing.giver_id)
        if key not in self._refusals:
            self._refusals[key] = self._why_nobody(asked, thing)
        return self._refusals[key]

    def _why_nobody(self, asked: Sequence[PoolKey], thing: Thing) -> str:
        reasons: set[str] = set()
        for pool in asked:
            for staff_id in self._members(pool):
                if staff_id != thing.giver_id:
                    reasons.add(self._why_not(staff_id, thing.subject))
                elif pool[0] in BY_NAME:
                    reasons.add("receiver_is_owner")
        if "receiver_full" in reasons:
            return "receiver_full"
        return reasons.pop() if len(reasons) == 1 else "no_receiver"

    def _why_not(self, staff_id: int, subject: str) -> str:
        candidate = self.candidates.get(staff_id)
        if candidate is None:
            return "receiver_elsewhere"
        return candidate.refusals.get(subject) or "receiver_full"


def _pools(selection: str, thing: Thing, policy: Policy) -> list[PoolKey]:
    """Whom to ask in turn when a receiver is found in this way."""
    if selection == Selection.BACKUP_OWNER:
        return [] if thing.backup_id is None else [(PERSON, thing.backup_id, 0)]
    if selection == Selection.SAME_DEPARTMENT:
        return [(DEPARTMENT, department_id, 0) for department_id in thing.departments]
    if selection == Selection.LEAST_LOADED:
        return [(EVERYBODY, 0, 0)]
    if selection == Selection.FIXED:
        return [(PERSON, each.staff_id, 0) for each in policy.receivers if each.value_id is None]
    if selection == Selection.BY_CLASSIFICATION:
        named = {each.value_id for each in policy.receivers if each.value_id is not None}
        fitting = sorted((thing.values[value], value) for value in named if value in thing.values)
        return [(VALUE, policy.id, value_id) for _distance, value_id in fitting]
    return []


def _by_department(candidates: Sequence[Candidate]) -> dict[int, list[int]]:
    placed = [(each.department_id, each.staff_id) for each in candidates if each.department_id]
    return {
        department_id: [staff_id for _, staff_id in group]
        for department_id, group in groupby(sorted(placed), key=lambda each: each[0])
        if department_id
    }
