"""Stays from facts: hand-written cases, and stories told in every order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from members.rules.stay_rows import Kept, Row, retold
from members.rules.stays import (
    EXACT,
    LAG,
    Dissolved,
    Joined,
    Left,
    Missing,
    Period,
    Seen,
    periods,
)

ZERO = datetime(2026, 3, 1, tzinfo=UTC)


def at(seconds):
    return ZERO + timedelta(seconds=seconds)


def joined(seconds):
    return Joined(at(seconds))


def left(seconds, reason="self"):
    return Left(at(seconds), reason)


def seen(read, joining=None):
    return Seen(at(read), None if joining is None else at(joining))


def missing(read):
    return Missing(at(read))


def brief(told):
    """(joined, is it exact, left, is it exact, why)"""
    return [
        (
            seconds(each.joined_at),
            each.join_confidence == EXACT,
            seconds(each.left_at),
            each.leave_confidence == EXACT,
            each.reason,
        )
        for each in told
    ]


def seconds(instant):
    return None if instant is None else (instant - ZERO).total_seconds()


OPEN = (None, False, "")


@pytest.mark.parametrize(
    ("facts", "stays"),
    [
        ([joined(1)], [(1, True, *OPEN)]),
        ([joined(1), left(5)], [(1, True, 5, True, "self")]),
        ([left(5)], [(5, False, 5, True, "self")]),
        ([joined(1), joined(9)], [(1, True, 9, False, "unknown"), (9, True, *OPEN)]),
        ([joined(1), left(5), left(8)], [(1, True, 5, True, "self"), (8, False, 8, True, "self")]),
        # in one second: who was in left first, who was out joined first
        ([joined(1), left(5), joined(5)], [(1, True, 5, True, "self"), (5, True, *OPEN)]),
        ([joined(5), left(5)], [(5, True, 5, True, "self")]),
        ([joined(5), left(5), seen(60, 5)], [(5, False, 5, True, "self"), (5, True, *OPEN)]),
        # readings
        ([seen(60, 5)], [(5, True, *OPEN)]),
        ([seen(60)], [(60, False, *OPEN)]),
        ([seen(60), joined(5)], [(5, True, *OPEN)]),
        ([seen(60), left(90)], [(60, False, 90, True, "self")]),
        ([joined(5), missing(60)], [(5, True, 60, False, "unknown")]),
        ([joined(5), missing(8)], [(5, True, *OPEN)]),
        ([joined(5), seen(60, 5), missing(61)], [(5, True, 61, False, "unknown")]),
        ([joined(5), missing(60), seen(61, 5)], [(5, True, 60, False, "unknown")]),
        ([joined(5), missing(60), seen(71, 5)], [(5, True, *OPEN)]),
        ([joined(5), missing(60), left(30)], [(5, True, 30, True, "self")]),
        (
            [joined(5), missing(60), left(90)],
            [(5, True, 60, False, "unknown"), (90, False, 90, True, "self")],
        ),
        # a reading in the very moment of the leaving
        ([joined(5), missing(60), left(62)], [(5, True, 62, True, "self")]),
        # a reading that had not heard of the leaving yet
        ([joined(5), left(58, "removed"), seen(60, 5)], [(5, True, 58, True, "removed")]),
        ([left(58), seen(60)], [(58, False, 58, True, "self")]),
        # the end of the chat
        ([joined(1), Dissolved(at(9))], [(1, True, 9, True, "dissolved")]),
        ([joined(1), Dissolved(at(9), exact=False)], [(1, True, 9, False, "dissolved")]),
        ([joined(1), left(5), Dissolved(at(9))], [(1, True, 5, True, "self")]),
        ([joined(1), missing(50), Dissolved(at(60))], [(1, True, 50, False, "unknown")]),
        (
            [joined(1), Dissolved(at(9), exact=False), Dissolved(at(7))],
            [(1, True, 7, True, "dissolved")],
        ),
        # the better reason
        ([joined(1), left(5, "unknown"), left(5, "removed")], [(1, True, 5, True, "removed")]),
    ],
)
def test_the_stays_follow_from_the_facts(facts, stays):
    assert brief(periods(facts)) == stays
    assert brief(periods(reversed(facts))) == stays
    assert brief(period for period in one_by_one(facts)) == stays
    if sum(isinstance(fact, Seen | Missing) for fact in facts) < 2:  # older readings do not count
        assert brief(period for period in one_by_one(reversed(facts))) == stays


# --- Rows, told again with each fact --------------------------------------------------------------


@dataclass
class File:
    """The rows of one person in one chat, as the database keeps them."""

    rows: dict[int, Kept] = field(default_factory=dict)
    read_at: datetime | None = None
    dissolved: Dissolved | None = None

    def tell(self, *facts):
        known = [*facts, self.dissolved] if self.dissolved else list(facts)
        for row in retold(list(self.rows.values()), known, read_at=self.read_at):
            key = len(self.rows) if row.key is None else row.key
            old = self.rows.get(key)
            promised = old is not None and old.promised and not row.shown
            self.rows[key] = Kept(key, row.period, promised, old.holds if promised else LAG)

    def hear(self, fact):
        self.read(fact) if isinstance(fact, Seen | Missing) else self.tell(fact)

    def read(self, *facts):
        """A reading of the chat; older ones than the last are not looked at."""
        read_at = facts[0].read_at
        if self.read_at is None or read_at >= self.read_at:
            self.tell(*facts)
            self.read_at = read_at

    @property
    def told(self):
        return sorted(
            (row.period for row in self.rows.values()),
            key=lambda each: (each.joined_at, each.left_at or datetime.max.replace(tzinfo=UTC)),
        )


def one_by_one(facts):
    file = File()
    for fact in facts:
        if isinstance(fact, Dissolved):
            if file.dissolved is None or fact.exact:
                file.dissolved = fact
            file.tell()
        else:
            file.hear(fact)
    return file.told


def promise(opened=0, **period):
    period = Period(at(opened), **period)
    return File({0: Kept(0, period, promised=True, holds=timedelta(days=7))})


def test_a_promised_place_is_taken_by_who_is_shown_to_be_there():
    for fact in (joined(50), seen(70, 50), joined(-50)):
        file = promise()
        file.tell(fact)
        assert len(file.rows) == 1
        assert not file.rows[0].promised
        assert file.rows[0].period.is_open


def test_a_promised_place_is_kept_for_a_week():
    day = 86_400
    file = promise()
    for moment in (60, day, 6 * day):
        file.read(missing(moment))
    assert file.told[0].is_open
    file.read(missing(7 * day + 1))
    assert brief(file.told) == [(0, True, 7 * day + 1, False, "never_came")]
    file.tell(joined(8 * day))
    assert len(file.rows) == 2


def test_an_earlier_stay_is_not_what_was_promised():
    file = promise(1000)
    file.tell(joined(5), left(900))
    assert brief(file.told) == [(5, True, 900, True, "self"), (1000, True, *OPEN)]
    assert file.rows[0].promised


def test_what_an_operator_ended_stays_ended_unless_the_platform_shows_more():
    file = File()
    file.tell(joined(5))
    row = file.rows[0]
    file.rows[0] = Kept(0, row.period.closed(at(500), "removed", ""))
    file.read(seen(505, 5))
    assert file.told[0].left_at == at(500)
    file.tell(left(480, "removed"))
    assert brief(file.told) == [(5, True, 480, True, "removed")]

    file.rows[0] = Kept(0, row.period.closed(at(500), "removed", ""))
    file.read(missing(600))
    assert (file.told[0].left_at, file.told[0].leave_confidence) == (at(500), "")
    file.read(seen(700, 5))
    assert file.told[0].is_open
    assert retold(list(file.rows.values()), [], read_at=file.read_at) == []


def test_a_late_joining_of_somebody_who_was_missing_since_is_over():
    file = File()
    file.read(missing(600))
    file.tell(joined(5))
    assert brief(file.told) == [(5, True, 600, False, "unknown")]


def test_nothing_new_changes_nothing():
    kept = [Kept(1, Period(at(5), left_at=at(9), reason="self", leave_confidence=EXACT))]
    assert retold(kept, [joined(5), left(9)], read_at=at(600)) == []
    assert retold(kept, [joined(700)], read_at=at(600)) == [Row(None, Period(at(700)))]


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_callback_and_a_reading_may_tell_one_joining_a_second_apart(difference):
    file = File()
    file.tell(joined(50))
    file.read(seen(60, 50 + difference))
    assert brief(file.told) == [(50, True, *OPEN)]
    file.tell(left(90), joined(50 + difference))
    assert brief(file.told) == [(50, True, 90, True, "self")]
    file.tell(joined(91))
    assert len(file.rows) == 2


# --- Stories --------------------------------------------------------------------------------------


@dataclass
class Story:
    """What really happened to one person in one chat, and what reached us of it."""

    truth: list[tuple[int, int | None]]
    heard_joins: set[int]
    heard_leaves: set[int]
    facts: list
    ends_at: int

    @property
    def seen_joins(self):
        return {seconds(fact.joined_at) for fact in self.facts if isinstance(fact, Seen)}


def story_of(random, *, lossy=True):
    now, inside, truth = 0, None, []
    for _ in range(random.randint(1, 8)):
        now += random.randint(1 if lossy else 0, 40)
        if inside is None and all(now > j + 1 for j, _ in truth):  # so soon again is the same
            inside = now
        elif inside is not None and all(now != x for _, x in truth):
            truth.append((inside, now))
            inside = None
    if inside is not None:
        truth.append((inside, None))
    share = random.choice((0.3, 0.6, 0.9)) if lossy else 1
    heard_joins = {j for j, _ in truth if random.random() <= share}
    heard_leaves = {x for _, x in truth if x is not None and random.random() <= share}
    facts = [joined(j) for j in heard_joins] + [left(x) for x in heard_leaves]
    facts += [
        reading(truth, random.randint(0, now + 5), random.randint(0, 9))
        for _ in range(random.randint(0, 4))
    ]
    return Story(truth, heard_joins, heard_leaves, facts, now)


def reading(truth, read, lag):
    view = read - lag
    there = [j for j, x in truth if j <= view and (x is None or x > view)]
    return seen(read, there[-1]) if there else missing(read)


def settled(story):
    return [*story.facts, reading(story.truth, story.ends_at + 60, 3)]


def agrees(story, told, *, last_reading):
    """What is told is what happened, as far as anything was heard of it.

    Who left and came back, and nothing of both was told, was there all the time for all we know.
    """
    heard = story.heard_joins | story.seen_joins
    gaps = [
        number
        for number, ((_, x), (j, _)) in enumerate(pairwise(story.truth))
        if x not in story.heard_leaves and j not in heard
    ]
    tries = (set(some) for size in range(len(gaps) + 1) for some in combinations(gaps, size))
    assert any(
        is_told(story, without_gaps(story.truth, some), told, last_reading) for some in tries
    ), (story, brief(told))
    assert all(one.left_at and one.left_at <= other.joined_at for one, other in pairwise(told))


def without_gaps(truth, gaps):
    merged = []
    for number, (j, x) in enumerate(truth):
        if number - 1 in gaps:
            merged[-1] = (merged[-1][0], x)
        else:
            merged.append((j, x))
    return merged


def is_told(story, truth, told, last_reading):
    heard = story.heard_joins | story.seen_joins
    known = [(j, x) for j, x in truth if j in heard or x in story.heard_leaves]
    return (
        len(told) == len(known)
        and all(
            same_stay(story, stay, j, x, last_reading)
            for stay, (j, x) in zip(brief(told), known, strict=True)
        )
        and all(
            x is None or period.seen_at is None or seconds(period.seen_at) <= x
            for period, (_, x) in zip(told, known, strict=True)
        )
    )


def same_stay(story, stay, j, x, last_reading):
    joined_at, join_is_exact, left_at, leave_is_exact, _ = stay
    if j in story.heard_joins | story.seen_joins:
        begins = join_is_exact and joined_at == j
    else:
        begins = not join_is_exact and j <= joined_at <= x
    if x is None:
        return begins and left_at is None
    if x in story.heard_leaves:
        return begins and leave_is_exact and left_at == x
    return begins and left_at is not None and not leave_is_exact and x <= left_at <= last_reading


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**64).map(Random))
def test_facts_in_any_order_any_number_of_times_tell_the_same(random):
    story = story_of(random)
    facts = settled(story)
    told = periods(facts)
    mixed = facts + random.choices(facts, k=3)
    random.shuffle(mixed)

    assert periods(mixed) == told
    agrees(with_last(story), told, last_reading=story.ends_at + 60)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**64).map(Random))
def test_rows_told_again_with_each_fact_tell_what_happened(random):
    story = story_of(random)
    facts = story.facts * 2
    random.shuffle(facts)
    file, count = File(), 0
    for fact in facts:
        file.hear(fact)
        assert len(file.rows) >= count
        count = len(file.rows)
    file.read(settled(story)[-1])

    agrees(used_by(file, with_last(story)), file.told, last_reading=story.ends_at + 60)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**64).map(Random))
def test_without_losses_all_is_exact_in_any_order(random):
    story = story_of(random, lossy=False)
    random.shuffle(story.facts)
    file = File()
    for fact in story.facts:
        file.hear(fact)
    file.read(settled(story)[-1])

    assert [(seconds(p.joined_at), seconds(p.left_at)) for p in file.told] == [
        (j, x) for j, x in story.truth
    ]
    assert all(p.join_confidence == EXACT for p in file.told)
    assert all(p.is_open or p.leave_confidence == EXACT for p in file.told)


def with_last(story):
    return Story(story.truth, story.heard_joins, story.heard_leaves, settled(story), story.ends_at)


def used_by(file, story):
    """Readings older than the last one were not looked at: what only they showed may be missing."""
    shown = {seconds(p.joined_at) for p in file.told if p.join_confidence == EXACT}
    facts = [f for f in story.facts if not isinstance(f, Seen) or seconds(f.joined_at) in shown]
    return Story(story.truth, story.heard_joins, story.heard_leaves, facts, story.ends_at)
