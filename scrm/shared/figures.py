"""Figures about something: what each is called, how it is defined, and the way to measure it.

One registry holds a figure's definition and its measure, so the page that shows it, the API that
publishes it and the text on hover cannot say different things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

type Words = str | StrPromise

#: Below so many people or things a figure says more about chance than about a community.
SMALL_NUMBER = 30


class FigureUnit(StrEnum):
    PEOPLE = "people"
    TIMES = "times"
    DAYS = "days"
    MONEY = "money"  # minor units
    SHARE = "share"  # 0 to 1
    INDEX = "index"  # 0 to 1, no share of anything
    SCORE = "score"  # 0 to 100


UNITS = [unit.value for unit in FigureUnit]


class Better(StrEnum):
    """Which way is better."""

    UP = "up"
    DOWN = "down"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class FigureDefinition:
    """What a figure is called, measured in and taken from; published by the API.

    ``version`` grows whenever the meaning changes: values of two versions are not compared.
    """

    name: str
    label: Words
    unit: FigureUnit
    source: Words
    definition: Words
    version: int = 1
    better: Better = Better.NEITHER


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence beside a figure, translated where it is read: the figure may have been kept.

    ``text`` is a message of the catalogue with named places for ``numbers``.
    """

    text: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return gettext(self.text) % self.numbers if self.text else ""

    def __bool__(self) -> bool:
        return bool(self.text)


NO_NOTE = Note()


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure. ``value`` is None where nobody measured, and ``note`` says why.

    ``n`` is how many people or things it was taken from; a note also says when they are few.
    """

    name: str
    value: float | None
    unit: FigureUnit = FigureUnit.SHARE
    note: Note = NO_NOTE
    n: int | None = None


type Measured = Mapping[str, Figure]


class FigureRegistry[Subject]:
    """The figures of a kind of subject, by name, in the order in which they are shown."""

    def __init__(self) -> None:
        self._definitions: dict[str, FigureDefinition] = {}
        self._measures: list[_Measure[Subject]] = []
        self._derived: list[_Derived[Subject]] = []

    def register(
        self, definition: FigureDefinition, measure: Callable[[Subject, date], Figure]
    ) -> None:
        """Make a figure known; its measure takes the subject and the last day that counts."""
        self.register_together([definition], lambda subject, on: [measure(subject, on)])

    def register_together(
        self,
        definitions: Sequence[FigureDefinition],
        measure: Callable[[Subject, date], Sequence[Figure]],
    ) -> None:
        """Make figures known that are measured in one go."""
        self._measures.append(_Measure(self._define(definitions), measure))

    def register_derived(
        self,
        definition: FigureDefinition,
        measure: Callable[[Subject, date, Measured], Figure],
        *,
        needs: frozenset[str],
    ) -> None:
        """Make a figure known that is made of others, which need not be registered yet."""
        self._derived.append(_Derived(self._define([definition]), measure, needs))

    def get(self, name: str) -> FigureDefinition | None:
        return self._definitions.get(name)

    def __iter__(self) -> Iterator[FigureDefinition]:
        return iter(self._definitions.values())

    def measure(
        self, subject: Subject, on: date, *, names: frozenset[str] | None = None
    ) -> dict[str, Figure]:
        """The figures of these names, or all, each with the unit of its definition."""
        wanted = frozenset(self._definitions) if names is None else names
        derived = [item for item in self._derived if item.names & wanted]
        needed = wanted.union(*(item.needs for item in derived))
        found: dict[str, Figure] = {}
        for one in self._measures:
            if one.names & needed:
                self._keep(found, one.measure(subject, on))
        for item in derived:
            self._keep(found, [item.measure(subject, on, found)])
        return {name: figure for name, figure in found.items() if name in wanted}

    def _define(self, definitions: Sequence[FigureDefinition]) -> frozenset[str]:
        for definition in definitions:
            if definition.name in self._definitions:
                raise ValueError(f"The figure {definition.name} is registered twice.")
            self._definitions[definition.name] = definition
        return frozenset(definition.name for definition in definitions)

    def _keep(self, found: dict[str, Figure], figures: Sequence[Figure]) -> None:
        for figure in figures:
            found[figure.name] = replace(figure, unit=self._definitions[figure.name].unit)


@dataclass(frozen=True, slots=True)
class _Measure[Subject]:
    names: frozenset[str]
    measure: Callable[[Subject, date], Sequence[Figure]]


@dataclass(frozen=True, slots=True)
class _Derived[Subject]:
    names: frozenset[str]
    measure: Callable[[Subject, date, Measured], Figure]
    needs: frozenset[str]
