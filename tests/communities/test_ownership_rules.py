"""When one owner gave way to the next, by readings and events; what an owner may be."""

from datetime import UTC, datetime, timedelta

import pytest

from communities.rules.ownership import (
    Owner,
    Span,
    Start,
    broken_by,
    broken_by_the_way,
    splits,
    starts,
)

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def at(seconds):
    return None if seconds is None else DAY + timedelta(seconds=seconds)


def span(began, ended, first, last, *, was_shown=True, is_exact=False):
    return Span(at(began), at(ended), at(first), at(last), was_shown, is_exact)


#: The first owner was read at 100 and 200, the next one at 300.
FORMER, PRESENT = span(0, 300, 100, 200), span(300, None, 300, 300)


def starts_of(*told, spans=(FORMER, PRESENT)):
    found = starts(spans, [at(each) for each in told])
    return [((each.at - DAY).total_seconds(), each.is_exact) for each in found]


@pytest.mark.parametrize(
    ("told", "start"),
    [
        ((), (300, False)),
        ((250,), (250, True)),
        ((220, 250, 299), (299, True)),
        ((300,), (300, True)),
        # a reading may be behind what has happened, and our clock behind the platform's
        ((195,), (195, True)),
        ((195, 250), (250, True)),
        ((302,), (300, True)),
        # these are about something else
        ((190,), (300, False)),
        ((100,), (300, False)),
        ((304,), (300, False)),
    ],
)
def test_an_event_between_two_readings_dates_the_change(told, start):
    assert starts_of(*told) == [(0, False), start]


def test_an_event_counts_for_the_gap_in_which_it_lies():
    third = span(301, None, 303, 303)
    spans = (FORMER, span(300, 301, 300, 300), third)

    assert starts_of(302, spans=spans) == [(0, False), (300, False), (302, True)]


def test_what_a_person_has_written_stays():
    written = span(250, None, 300, 300, was_shown=False)

    assert starts_of(270, spans=(FORMER, written)) == [(0, False), (250, False)]


def test_nobody_owns_a_chat_after_its_end_or_before_the_owner_before():
    ended = span(300, 280, 300, 300)
    assert starts_of(spans=(FORMER, ended)) == [(0, False), (280, False)]
    assert starts([span(400, None, None, None), PRESENT], [])[1] == Start(at(400), is_exact=False)


def test_an_event_before_the_first_reading_splits_what_was_assumed():
    assert splits(FORMER, [at(50)])
    assert not splits(FORMER, [at(0), at(101)])
    assert not splits(span(0, None, None, None), [at(50)])


@pytest.mark.parametrize(
    ("owner", "maximum", "broken"),
    [
        (Owner(is_known=False), None, ["stranger"]),
        (Owner(is_known=True, is_active=False, may_own=False), 0, ["inactive"]),
        (Owner(is_known=True, platform_status="left"), None, ["inactive"]),
        (
            Owner(is_known=True, platform_status="not_activated", may_own=False),
            None,
            ["not_activated", "not_allowed"],
        ),
        (Owner(is_known=True, platform_status="disabled"), None, ["not_activated"]),
        (Owner(is_known=True, platform_status="active", may_own=False), None, ["not_allowed"]),
        (Owner(is_known=True, may_own=False), None, []),  # the directory was never read
        (Owner(is_known=True, chats=3), 2, ["over_maximum"]),
        (Owner(is_known=True, chats=2), 2, []),
        (Owner(is_known=True, chats=200), None, []),
    ],
)
def test_who_may_not_own_a_chat(owner, maximum, broken):
    assert broken_by(owner, maximum=maximum) == broken


@pytest.mark.parametrize(
    ("hand_over", "is_its_receiver", "needs_approval", "broken"),
    [
        (None, False, False, []),
        (None, False, True, ["without_approval"]),
        ("queued", False, True, ["not_the_receiver"]),
        ("pending", True, False, ["without_approval"]),
        ("pending", False, False, ["not_the_receiver"]),
        ("accepted", True, True, []),
    ],
)
def test_how_a_chat_may_not_change_hands(hand_over, is_its_receiver, needs_approval, broken):
    found = broken_by_the_way(
        hand_over=hand_over, is_its_receiver=is_its_receiver, needs_approval=needs_approval
    )
    assert found == broken
