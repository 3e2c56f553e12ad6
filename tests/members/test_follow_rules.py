"""The periods of a contact follow from the facts, whichever came first and whatever was lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from members.rules.follows import assigned, facts_of, spans
from members.rules.status import Confidence, FollowEnd
from members.rules.stays import LAG, Joined, Left, Missing, Seen

START = datetime(2026, 3, 1, tzinfo=UTC)
EXACT, INFERRED = Confidence.EXACT, Confidence.INFERRED


def at(minute):
    return START + timedelta(minutes=minute)


class Rows:
    """What is stored: each fact arrives alone and is put to what is there."""

    def __init__(self):
        self.spans = []

    def take(self, fact, *, is_half=False):
        halves = {span.began_at for span in self.spans if not span.is_mutual}
        if is_half:
            halves.add(fact.at)
        known = [each for span in self.spans for each in facts_of(span)]
        begins = [span.began_at for span in self.spans]
        for place, span in assigned(begins, spans([*known, fact], halves=halves)):
            if place is None:
                self.spans.append(span)
            else:
                self.spans[place] = span
        self.spans.sort(key=lambda span: span.began_at)


# --- By example -----------------------------------------------------------------------------------


def test_a_one_sided_contact_becomes_mutual():
    first, second = spans([Joined(at(0)), Joined(at(5))], halves={at(0)})

    assert (first.is_mutual, first.ended_at, first.end_reason) == (False, at(5), FollowEnd.MUTUAL)
    assert (second.is_mutual, second.ended_at) == (True, None)


def test_a_one_sided_contact_is_in_no_list_so_its_absence_says_nothing():
    (only,) = spans([Joined(at(0)), Missing(at(30))], halves={at(0)})

    assert only.ended_at is None


def test_a_customer_who_has_gone_is_still_in_the_list():
    gone = [Joined(at(0)), Left(at(5), FollowEnd.BY_CUSTOMER)]

    (only,) = spans([*gone, Seen(at(30), at(0))], halves=())

    assert (only.ended_at, only.end_reason) == (at(5), FollowEnd.BY_CUSTOMER)


def test_clearing_away_a_customer_who_has_gone_is_no_second_end():
    facts = [
        Left(at(9), FollowEnd.BY_STAFF),
        Left(at(5), FollowEnd.BY_CUSTOMER),
        Joined(at(0)),
    ]

    (only,) = spans(facts, halves=())

    assert (only.ended_at, only.end_reason) == (at(5), FollowEnd.BY_CUSTOMER)


def test_an_end_that_nobody_told_is_at_the_latest_when_it_was_seen():
    (only,) = spans([Seen(at(10), at(0)), Missing(at(60))], halves=())

    assert (only.ended_at, only.end_confidence, only.end_reason) == (
        at(60),
        INFERRED,
        FollowEnd.UNKNOWN,
    )


# --- For any story --------------------------------------------------------------------------------

MOVES = {
    "none": ["add", "half"],
    "half": ["add", "by_staff"],
    "friends": ["by_staff", "by_customer", "transferred"],
    "by_staff": ["add", "half"],
    "transferred": ["add", "half"],
    "by_customer": ["add", "half"],
}


@st.composite
def stories(draw):
    """What happened minute by minute, what was heard of it and what was read in between and at the
    end. What a reading does not show is only kept as the end of something known, so with losses
    the readings between would count in their order."""
    state, truth, told = "none", [], []
    for minute in range(1, draw(st.integers(1, 8)) + 1):
        if draw(st.booleans()) and minute > 1:
            told.append((_reading(at(minute) - timedelta(seconds=30), state, truth), False, False))
        move = draw(st.sampled_from(MOVES[state]))
        moment = at(minute)
        if move in ("add", "half"):
            if truth and truth[-1][1] is None:
                truth[-1][1:3] = [moment, FollowEnd.MUTUAL]
            truth.append([moment, None, "", move == "half"])
            told.append((Joined(moment), move == "half", draw(st.booleans())))
            state = "friends" if move == "add" else "half"
        else:
            truth[-1][1:3] = [moment, move]
            told.append((Left(moment, move), False, draw(st.booleans())))
            state = move
    last = _reading(at(60), state, truth)
    return truth, told, (last, False, False)


def _reading(moment, state, truth):
    shown = state in ("friends", "by_customer") and not truth[-1][3]
    return Seen(moment, truth[-1][0]) if shown else Missing(moment)


def certain(found):
    """Without what is inferred: its bounds are as good as what was known at the time."""
    return [
        replace(span, seen_at=None, ended_at=None, end_reason="")
        if span.end_confidence == INFERRED
        else replace(span, seen_at=None)
        for span in found
        if span.began_confidence == EXACT
    ]


def stored(told):
    rows = Rows()
    for fact, is_half, _lost in told:
        rows.take(fact, is_half=is_half)
    return rows.spans


@given(stories(), st.randoms())
@settings(max_examples=100, deadline=None)
def test_any_order_and_repetition_gives_the_truth_when_nothing_is_lost(story, chance):
    truth, told, last = story
    mixed = [*told, *chance.sample(told, len(told) // 2)]
    chance.shuffle(mixed)

    found = stored([*mixed, last])

    assert [
        [span.began_at, span.ended_at, span.end_reason, not span.is_mutual] for span in found
    ] == truth
    assert {span.began_confidence for span in found} <= {EXACT}
    assert {span.end_confidence for span in found if span.end_reason in MOVES} <= {EXACT}


@given(stories(), st.randoms())
@settings(max_examples=100, deadline=None)
def test_what_was_lost_is_inferred_and_the_same_in_any_order(story, chance):
    truth, told, last = story
    heard = [each for each in told if not each[2] and not isinstance(each[0], Seen | Missing)]
    one = stored([*heard, last])
    chance.shuffle(heard)

    other = stored([*heard, last])

    assert certain(one) == certain(other)
    begins = {began for began, *_ in truth}
    ends = {ended for _, ended, *_ in truth if ended}
    for span in one:
        if span.began_confidence == EXACT:
            assert span.began_at in begins
        if span.ended_at and span.end_confidence == EXACT:
            assert span.ended_at in ends
    for began, ended, _reason, is_half in truth:
        if any(fact == Joined(began) for fact, *_ in heard):
            (span,) = [span for span in one if span.began_at == began]
            assert span.is_mutual is not is_half
            assert span.ended_at is None or ended is None or span.ended_at >= ended - LAG
