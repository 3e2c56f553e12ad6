"""What a criterion may name: communities, classifications, tags … Each kind is registered by the
app that owns it, so that this module can check, list and label names without knowing any app.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scrm.shared.criteria import Clause, Criterion, CriterionError, ValueType, definition_of

type Names = Mapping[tuple[ValueType, str], str]


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that can be named, and what people call it."""

    value: str
    label: str


class ReferenceKind(ABC):
    """What the values of one value type name."""

    unknown_code: str

    @abstractmethod
    def unknown_message(self, value: str) -> str:
        """What to tell somebody who named a thing that does not exist."""

    @abstractmethod
    def known(self, values: set[str], *, enterprise_id: int) -> set[str]:
        """Those of the values that exist in this enterprise."""

    @abstractmethod
    def choices(self, *, user: Any, search: str, limit: int) -> list[Choice]:
        """What this user may name, narrowed by a part of the code or the name."""

    def labels(self, values: set[str], *, enterprise_id: int) -> dict[str, str]:
        """What people call these values; one without an entry is shown as it is."""
        return {}

    def criterion_of(self, value: str, *, enterprise_id: int) -> Criterion | None:
        """The criterion behind the name, for kinds that are defined by one."""
        return None


class ReferenceRegistry:
    def __init__(self) -> None:
        self._kinds: dict[ValueType, ReferenceKind] = {}

    def register(self, value_type: ValueType, kind: ReferenceKind) -> None:
        if value_type in self._kinds:
            raise ValueError(f"References of type {value_type} are registered twice.")
        self._kinds[value_type] = kind

    def get(self, value_type: ValueType | None) -> ReferenceKind | None:
        return None if value_type is None else self._kinds.get(value_type)


REFERENCES = ReferenceRegistry()


@dataclass(frozen=True, slots=True)
class Named:
    """One name in a clause, and where it stands."""

    kind: ValueType
    value: str
    path: str


def names_in(clauses: Iterable[Clause]) -> Iterator[Named]:
    for clause in clauses:
        definition = definition_of(clause.metric)
        if definition is None:
            continue
        if isinstance(clause.value, str):
            yield Named(definition.value_type, clause.value, f"{clause.path}.value")
        if clause.of is not None and definition.parameter is not None:
            yield Named(definition.parameter, clause.of, f"{clause.path}.of")


def unknown_references(criterion: Criterion, *, enterprise_id: int) -> tuple[CriterionError, ...]:
    """The places that name something which this enterprise does not have."""
    named = list(names_in(criterion.clauses()))
    known = {
        kind: found.known(values, enterprise_id=enterprise_id)
        for kind, values in _by_kind(named).items()
        if (found := REFERENCES.get(kind))
    }
    return tuple(
        CriterionError(name.path, kind.unknown_code, kind.unknown_message(name.value))
        for name in named
        if (kind := REFERENCES.get(name.kind)) and name.value not in known[name.kind]
    )


def reference_names(clauses: Iterable[Clause], *, enterprise_id: int) -> Names:
    """What people call the things that these clauses name, one query per kind."""
    return {
        (kind, value): label
        for kind, values in _by_kind(names_in(clauses)).items()
        if (found := REFERENCES.get(kind))
        for value, label in found.labels(values, enterprise_id=enterprise_id).items()
    }


def transitive_clauses(criterion: Criterion, *, enterprise_id: int) -> Iterator[Clause]:
    """All clauses of a criterion and of the criteria that it names; each of those once."""
    seen: set[tuple[ValueType, str]] = set()
    waiting = [criterion]
    while waiting:
        for clause in waiting.pop().clauses():
            yield clause
            for named in names_in([clause]):
                kind = REFERENCES.get(named.kind)
                if kind is None or (named.kind, named.value) in seen:
                    continue
                seen.add((named.kind, named.value))
                behind = kind.criterion_of(named.value, enterprise_id=enterprise_id)
                if behind is not None:
                    waiting.append(behind)


def _by_kind(named: Iterable[Named]) -> dict[ValueType, set[str]]:
    values: defaultdict[ValueType, set[str]] = defaultdict(set)
    for name in named:
        values[name.kind].add(name.value)
    return values
