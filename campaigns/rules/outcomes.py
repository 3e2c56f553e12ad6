"""What is known of an arm, what is asked about it, and how an answer looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from campaigns.rules.designs import SHARES
from campaigns.rules.experiments import ExperimentUnit
from campaigns.rules.statistics import Moments, Sample


class Method(StrEnum):
    TWO_PROPORTIONS = "two_proportions"
    FISHER = "fisher"
    WELCH = "welch"
    PERMUTATION = "permutation"
    SWITCHBACK = "switchback"
    SEQUENCE = "sequence"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: of which units, by which metric, and whether it is time."""

    unit: str
    metric: str
    shares: Mapping[int, float]
    is_final: bool
    has_data: bool = True

    @property
    def counts_people(self) -> bool:
        """Whether an arm's figure is a number of people out of so many."""
        return self.unit == ExperimentUnit.MEMBER and self.metric in SHARES


@dataclass(frozen=True, slots=True)
class Unit:
    """A chat, or a day of a switchback: how its people did in the window and before it."""

    people: int
    y: float
    x: float
    left: int
    block: int = 0

    @property
    def leave_rate(self) -> float:
        return self.left / self.people


@dataclass(frozen=True, slots=True)
class Arm:
    """What became of an arm. ``people`` are those it was meant for, ``reached`` who got it.

    Of members only the sums are known, of chats and days each one.
    """

    number: int
    people: int
    reached: int
    left: int
    moments: Moments
    units: tuple[Unit, ...] = ()
    adjusted: Sample | None = None

    @classmethod
    def of_units(cls, number: int, units: Sequence[Unit], *, reached: int) -> Arm:
        return cls(
            number=number,
            people=sum(unit.people for unit in units),
            reached=reached,
            left=sum(unit.left for unit in units),
            moments=moments_of([(unit.y, unit.x) for unit in units]),
            units=tuple(units),
        )

    @property
    def n(self) -> int:
        return self.moments.n

    @property
    def successes(self) -> int:
        return round(self.moments.y)

    @property
    def sample(self) -> Sample:
        return self.adjusted or self.moments.sample


@dataclass(frozen=True, slots=True)
class Compared:
    """An arm against another: the difference of the first from the second."""

    arm: int
    against: int
    method: Method
    estimate: float
    low: float | None
    high: float | None
    p: float | None = None
    p_adjusted: float | None = None
    probability: float | None = None


def moments_of(pairs: Sequence[tuple[float, float]]) -> Moments:
    return Moments(
        len(pairs),
        sum(y for y, _ in pairs),
        sum(y * y for y, _ in pairs),
        sum(x for _, x in pairs),
        sum(x * x for _, x in pairs),
        sum(x * y for y, x in pairs),
    )
