"""Figures about something: what each is called, how it is defined, and the way to measure it.

One registry holds a figure's definition and its measure, so the page that shows it, the API that
publishes it and the text on hover cannot say different things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

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
class Figure:
    """A measured figure. ``value`` is None where nobody measured, and ``note`` says why.

    ``n`` is how many people or things it was taken from; a note also says when they are few.
    """

    name: str
    value: float | None
    unit: FigureUnit = FigureUnit.SHARE
    note: str = ""
    n: int | None = None


class FigureRegistry[Subject]:
    """The figures of a kind of subject, by name, in the order in which they are shown."""

    def __init__(self) -> None:
        self._definitions: dict[str, FigureDefinition] = {}
        self._measures: list[
            tuple[frozenset[str], Callable[[Subject, date], Sequence[Figure]]]
        ] = []

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
        for definition in definitions:
            if definition.name in self._definitions:
                raise ValueError(f"The figure {definition.name} is registered twice.")
            self._definitions[definition.name] = definition
        names = frozenset(definition.name for definition in definitions)
        self._measures.append((names, measure))

    def get(self, name: str) -> FigureDefinition | None:
        return self._definitions.get(name)

    def __iter__(self) -> Iterator[FigureDefinition]:
        return iter(self._definitions.values())

    def measure(
        self, subject: Subject, on: date, *, names: frozenset[str] | None = None
    ) -> dict[str, Figure]:
        """The figures of these names, or all, each with the unit of its definition."""
        found: dict[str, Figure] = {}
        for measured, measure in self._measures:
            if names is not None and not measured & names:
                continue
            for figure in measure(subject, on):
                if names is None or figure.name in names:
                    unit = self._definitions[figure.name].unit
                    found[figure.name] = replace(figure, unit=unit)
        return found
