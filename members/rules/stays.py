"""When somebody was in a chat, as a pure function of what was heard and read about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

#: How far a reading may be behind what has happened.
LAG = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Joined:
    """Told by the platform: somebody joined just then."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Left:
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Read at an instant, with the time of joining where the platform gave it."""

    read_at: datetime
    joined_at: datetime | None


@dataclass(frozen=True, slots=True)
class Missing:
    """Read at an instant, and not in it."""

    read_at: datetime


@dataclass(frozen=True, slots=True)
class Dissolved:
    at: datetime
    exact: bool = True


type Fact = Joined | Left | Seen | Missing | Dissolved


@dataclass(frozen=True, slots=True)
class Period:
    """An end that is not exact is the latest that it can have been; ``seen_at`` is an instant at
    which the person was certainly there."""

    joined_at: datetime
    join_is_exact: bool
    left_at: datetime | None = None
    leave_is_exact: bool = False
    reason: str = ""
    seen_at: datetime | None = None


def periods(facts: Iterable[Fact]) -> list[Period]:
    """The stays, earliest first: the same whatever the order and the repetition of the facts."""
    raise NotImplementedError
