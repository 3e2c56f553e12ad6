"""When somebody was in a chat, as a pure function of what was heard and read about it.

Callbacks come late, twice, in any order or not at all; readings come whenever they can. So nothing
is applied as a change to what was: every fact is kept, in the ends of the periods themselves, and
the periods follow from the facts, whichever came first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from members.rules.status import Confidence, LeaveReason

#: How far a reading may be behind what has happened.
LAG = timedelta(seconds=10)
#: How far our clock may be from the platform's, and how long a reading may take.
SKEW = timedelta(seconds=3)

EXACT, INFERRED, CLAIMED = Confidence.EXACT.value, Confidence.INFERRED.value, ""
#: Of two reasons told for one leaving, the one that says more.
_BY_WEIGHT = (LeaveReason.REMOVED, LeaveReason.SELF)


@dataclass(frozen=True, slots=True)
class Joined:
    """Told by the platform, like ``Left``: it happened just then."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Left:
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Read as being in the chat, with the time of joining where the platform gave it."""

    read_at: datetime
    joined_at: datetime | None


@dataclass(frozen=True, slots=True)
class Missing:
    """Read as not being in the chat."""

    read_at: datetime


@dataclass(frozen=True, slots=True)
class Dissolved:
    """The chat ended: then, or if that is not exact, at the latest then."""

    at: datetime
    exact: bool = True


type Fact = Joined | Left | Seen | Missing | Dissolved


@dataclass(frozen=True, slots=True)
class Period:
    """One stay. An inferred instant is the latest that it can have been; an end without confidence
    is what an operator said. ``seen_at``: certainly still there."""

    joined_at: datetime
    join_confidence: str = EXACT
    seen_at: datetime | None = None
    left_at: datetime | None = None
    reason: str = ""
    leave_confidence: str = CLAIMED

    @property
    def is_open(self) -> bool:
        return self.left_at is None

    @property
    def left_exactly(self) -> bool:
        return self.left_at is not None and self.leave_confidence == EXACT

    def covers(self, instant: datetime) -> bool:
        return self.joined_at <= instant and (self.left_at is None or instant <= self.left_at)

    def ended_before(self, instant: datetime) -> bool:
        return self.left_at is not None and self.left_at < instant

    def closed(self, at: datetime, reason: str, confidence: str) -> Period:
        return replace(self, left_at=at, reason=str(reason), leave_confidence=confidence)


def periods(facts: Iterable[Fact]) -> list[Period]:
    """The stays, earliest first: the same whatever the order and the repetition of the facts."""
    walk = _Walk.through(facts)
    return [walk.ended_by_dissolution(period) for period in walk.periods()]


@dataclass(slots=True)
class _Walk:
    """The facts by their instants, gone through in the order of time."""

    joins: dict[datetime, datetime | None] = field(default_factory=dict)  # and seen since
    leaves: dict[datetime, str] = field(default_factory=dict)
    sightings: set[datetime] = field(default_factory=set)  # without the time of joining
    missing: set[datetime] = field(default_factory=set)
    dissolved: Dissolved | None = None
    done: list[Period] = field(default_factory=list)
    now: Period | None = None

    @classmethod
    def through(cls, facts: Iterable[Fact]) -> _Walk:
        walk = cls()
        for fact in facts:
            match fact:
                case Joined(at):
                    walk.joins.setdefault(at, None)
                case Left(at, reason):
                    walk.leaves[at] = weightier(walk.leaves.get(at, ""), reason)
                case Seen(read_at, joined_at) if joined_at is not None:
                    seen_at = certainly_there(read_at, joined_at)
                    walk.joins[joined_at] = latest(walk.joins.get(joined_at), seen_at)
                case Seen(read_at):
                    walk.sightings.add(read_at)
                case Missing(read_at):
                    walk.missing.add(read_at)
                case Dissolved():
                    walk.dissolved = _surer(walk.dissolved, fact)
        return walk

    def periods(self) -> list[Period]:
        for instant in sorted({*self.joins, *self.leaves, *self.sightings, *self.missing}):
            joins, leaves = instant in self.joins, instant in self.leaves
            if joins and leaves and not self._leaves_first(instant):
                self._join(instant)
                self._leave(instant)
            else:
                if leaves:
                    self._leave(instant)
                if joins:
                    self._join(instant)
            if instant in self.sightings:
                self._see(instant)
            if instant in self.missing:
                self._miss(instant)
        return self.done if self.now is None else [*self.done, self.now]

    def _leaves_first(self, instant: datetime) -> bool:
        """Joined and left in one second: who was in left and came back, who was out came and went,
        unless they were still there later."""
        seen_at = self.joins[instant]
        return self.now is not None or (seen_at is not None and seen_at > instant)

    def _join(self, instant: datetime) -> None:
        if self.now is not None:  # the leaving between was lost
            self._end(instant, LeaveReason.UNKNOWN, INFERRED)
        self.now = Period(instant, EXACT, _unless(self.joins[instant], instant))

    def _leave(self, instant: datetime) -> None:
        if self.now is None and self._just_missed(instant):
            self.now = self.done.pop()
        if self.now is None:  # the joining was lost
            self.now = Period(instant, INFERRED)
        self._end(instant, self.leaves[instant], EXACT)

    def _just_missed(self, instant: datetime) -> bool:
        """A reading right before, by our clock, showed that leaving already."""
        if not self.done or self.done[-1].left_exactly:
            return False
        missed_at = self.done[-1].left_at
        return missed_at in self.missing and instant <= missed_at + SKEW

    def _see(self, read_at: datetime) -> None:
        if self.now is not None:
            there = certainly_there(read_at, self.now.joined_at)
            seen_at = _unless(latest(self.now.seen_at, there), self.now.joined_at)
            self.now = replace(self.now, seen_at=seen_at)
        elif not self.done or self.done[-1].ended_before(read_at - LAG):
            self.now = Period(read_at, INFERRED)

    def _miss(self, read_at: datetime) -> None:
        if self.now is not None and shows_absence(read_at, self.now):
            self._end(read_at, LeaveReason.UNKNOWN, INFERRED)

    def _end(self, instant: datetime, reason: str, confidence: str) -> None:
        assert self.now is not None
        self.done.append(self.now.closed(instant, reason, confidence))
        self.now = None

    def ended_by_dissolution(self, period: Period) -> Period:
        if self.dissolved is None or period.left_exactly:
            return period
        if period.left_at is not None and not period.covers(self.dissolved.at):
            return period
        confidence = EXACT if self.dissolved.exact else INFERRED
        at = max(self.dissolved.at, period.joined_at)
        return period.closed(at, LeaveReason.DISSOLVED, confidence)


def certainly_there(read_at: datetime, joined_at: datetime) -> datetime:
    """Until when a reading that shows somebody proves them to have been there."""
    return max(joined_at, read_at - LAG)


def shows_absence(read_at: datetime, period: Period) -> bool:
    """Whether a reading without somebody shows that the period was over: not if they joined too
    shortly before it, or were there afterwards. One that still shows them right after it does not
    count against it, because readings lag."""
    if read_at - LAG < period.joined_at:
        return False
    return period.seen_at is None or period.seen_at <= read_at


def weightier(one: str, other: str) -> str:
    """Of two reasons of one leaving the one that says more."""
    for reason in _BY_WEIGHT:
        if reason in {one, other}:
            return reason.value
    return one or other


def latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _unless(seen_at: datetime | None, joined_at: datetime) -> datetime | None:
    """That somebody was there when they joined goes without saying."""
    return None if seen_at == joined_at else seen_at


def _surer(one: Dissolved | None, other: Dissolved) -> Dissolved:
    """An exact instant over an inferred one, and of two alike the earlier."""
    if one is None:
        return other
    return min(one, other, key=lambda each: (not each.exact, each.at))
