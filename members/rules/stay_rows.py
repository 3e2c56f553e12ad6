"""The stays on file and what else is told of them: which row says what afterwards.

The rows keep every fact, so they can be told again with one more. No row is ever removed. Besides
what the platform tells there are two things that only we know: a place that was promised, which
the platform may show to be taken, and a leaving that an operator declared, which it may contradict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from members.rules.status import LeaveReason
from members.rules.stays import (
    CLAIMED,
    EXACT,
    INFERRED,
    LAG,
    Dissolved,
    Fact,
    Joined,
    Left,
    Missing,
    Period,
    Seen,
    certainly_there,
    periods,
    shows_absence,
)

#: A callback and a reading may tell the same joining with times so far apart.
SAME_JOINING = timedelta(seconds=1)
#: How long a place is kept for somebody whom the platform does not show.
PROMISE_HOLDS = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Kept:
    """A stay on file. ``promised``: the platform never showed it; ``holds`` says for how long it
    may go on like that."""

    key: int
    period: Period
    promised: bool = False
    holds: timedelta = LAG

    @property
    def declared(self) -> bool:
        """Whether an operator ended it, and nothing has contradicted that."""
        return not self.period.is_open and self.period.leave_confidence == CLAIMED


@dataclass(frozen=True, slots=True)
class Row:
    """What a stay on file is to say; one without a key is new. ``shown``: by the platform."""

    key: int | None
    period: Period
    shown: bool = True


def retold(kept: Sequence[Kept], facts: Iterable[Fact], *, read_at: datetime | None) -> list[Row]:
    """The rows that have to be written, so that they tell the facts as well.

    ``read_at`` is when the chat was last read: who was not in it then was missing.
    """
    known = {_recognised(fact, kept) for fact in facts} | _facts_of(kept, read_at=read_at)
    told = _with_declarations(periods(known), kept, known)
    rows = _shown_rows(kept, told)
    taken = {row.key for row in rows}
    for each in kept:
        if each.key not in taken:
            rows.append(_promised_row(each, known) if each.promised else _mistaken_row(each))
    before = {each.key: Row(each.key, each.period, not each.promised) for each in kept}
    return [row for row in rows if row.key is None or before[row.key] != row]


def _recognised(fact: Fact, kept: Sequence[Kept]) -> Fact:
    """A joining that is on file already, if a second earlier or later."""
    match fact:
        case Joined(at):
            return Joined(_recognised_instant(at, kept))
        case Seen(read_at, joined_at) if joined_at is not None:
            return Seen(read_at, _recognised_instant(joined_at, kept))
    return fact


def _recognised_instant(at: datetime, kept: Sequence[Kept]) -> datetime:
    known = [
        each.period.joined_at
        for each in kept
        if not each.promised
        and each.period.join_confidence == EXACT
        and is_same_joining(each.period, at)
    ]
    return min(known, key=lambda instant: (abs(instant - at), instant), default=at)


def is_same_joining(period: Period, at: datetime) -> bool:
    return abs(period.joined_at - at) <= SAME_JOINING and not period.ended_before(at)


def _facts_of(kept: Sequence[Kept], *, read_at: datetime | None) -> set[Fact]:
    facts: set[Fact] = set()
    for each in kept:
        if not each.promised:
            facts |= _facts_of_row(each, read_at=read_at)
    if read_at is not None and not any(_near(each, read_at) for each in kept):
        facts.add(Missing(read_at))
    return facts


def _near(each: Kept, read_at: datetime) -> bool:
    """Whether the last reading may have shown this stay."""
    period = each.period
    if each.promised or period.joined_at > read_at:
        return False
    return period.left_at is None or period.left_at > read_at - LAG


def _facts_of_row(each: Kept, *, read_at: datetime | None) -> set[Fact]:
    period = each.period
    exact_join = period.join_confidence == EXACT
    joined_at = period.joined_at if exact_join else None
    facts: set[Fact] = set()
    if exact_join:
        facts.add(Joined(period.joined_at))
    elif not (period.left_exactly and period.left_at == period.joined_at):
        facts.add(Seen(period.joined_at, None))
    if period.seen_at is not None:
        facts.add(Seen(period.seen_at + LAG, joined_at))
    if period.is_open:
        if read_at is not None and period.joined_at <= read_at - LAG:
            facts.add(Seen(read_at, joined_at))
    elif period.reason != LeaveReason.DISSOLVED and period.leave_confidence != CLAIMED:
        assert period.left_at is not None
        is_exact = period.left_exactly
        facts.add(Left(period.left_at, period.reason) if is_exact else Missing(period.left_at))
    return facts


def _with_declarations(
    told: list[Period], kept: Sequence[Kept], facts: Iterable[Fact]
) -> list[Period]:
    """What an operator declared to be over is over, as long as the platform does not show more."""
    for each in kept:
        if each.declared:
            told = [_as_declared(period, each.period, facts) for period in told]
    return told


def _as_declared(period: Period, declared: Period, facts: Iterable[Fact]) -> Period:
    at = declared.left_at
    assert at is not None
    if period.left_exactly or not period.covers(at):
        return period
    if any(_contradicts(fact, period, at) for fact in facts):
        return period
    return period.closed(at, declared.reason, CLAIMED)


def _contradicts(fact: Fact, period: Period, declared_at: datetime) -> bool:
    if not isinstance(fact, Seen) or fact.joined_at not in {None, period.joined_at}:
        return False
    return certainly_there(fact.read_at, period.joined_at) > declared_at


def _shown_rows(kept: Sequence[Kept], told: list[Period]) -> list[Row]:
    """Each period with the row that told it before, or one that promised it, or a new one."""
    free = list(kept)
    rows: dict[int, int | None] = {}
    for same in (_same_joining, _same_leaving, _same_time, _any_shown, _promise_kept):
        for number, period in enumerate(told):
            if number in rows:
                continue
            match = next((each for each in free if same(each, period)), None)
            if match is not None:
                free.remove(match)
                rows[number] = match.key
    return [Row(rows.get(number), period) for number, period in enumerate(told)]


def _mistaken_row(each: Kept) -> Row:
    """Nothing that is known now speaks of this stay, so at least nobody is there by it."""
    period = each.period
    if period.is_open:
        period = period.closed(period.joined_at, LeaveReason.UNKNOWN, INFERRED)
    return Row(each.key, period)


def _same_joining(each: Kept, period: Period) -> bool:
    old = each.period
    return (
        not each.promised
        and old.join_confidence == period.join_confidence == EXACT
        and old.joined_at == period.joined_at
    )


def _same_leaving(each: Kept, period: Period) -> bool:
    old = each.period
    return (
        not each.promised
        and old.join_confidence == INFERRED
        and old.left_exactly
        and period.left_exactly
        and old.left_at == period.left_at
    )


def _same_time(each: Kept, period: Period) -> bool:
    """For a stay of which neither end was told, only that somebody was there."""
    old = each.period
    if each.promised or old.join_confidence == EXACT:
        return False
    return period.joined_at <= old.joined_at and not period.ended_before(old.joined_at - LAG)


def _any_shown(each: Kept, _period: Period) -> bool:
    """What was told of two stays can turn out to be the two ends of others."""
    return not each.promised


def _promise_kept(each: Kept, period: Period) -> bool:
    """A place was promised, and somebody took it: then, or they sat there already."""
    if not each.promised or period.ended_before(each.period.joined_at):
        return False
    return each.period.left_at is None or period.joined_at <= each.period.left_at


def _promised_row(promise: Kept, facts: Iterable[Fact]) -> Row:
    """Nobody has come. The place goes when it was held for long enough, or with the chat."""
    period = promise.period
    if not period.is_open:
        return Row(promise.key, period, shown=False)
    over = [fact for fact in facts if isinstance(fact, Dissolved)]
    if over:
        end = over[0]
        confidence = EXACT if end.exact else INFERRED
        at = max(end.at, period.joined_at)
        return Row(promise.key, period.closed(at, LeaveReason.DISSOLVED, confidence), shown=False)
    late = [
        fact.read_at
        for fact in facts
        if isinstance(fact, Missing)
        and fact.read_at >= period.joined_at + promise.holds
        and shows_absence(fact.read_at, period)
    ]
    if not late:
        return Row(promise.key, period, shown=False)
    return Row(promise.key, period.closed(min(late), LeaveReason.NEVER_CAME, INFERRED), shown=False)
