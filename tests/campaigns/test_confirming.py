"""When to ask, to remind and to give up, by the clock alone."""

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.rules.confirming import (
    is_expired,
    may_remind,
    next_look,
    pause_after,
    reminder_is_due,
)

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)


def after(**span):
    return AT + timedelta(**span)


@pytest.mark.parametrize(
    ("age", "pause"),
    [
        (timedelta(0), timedelta(minutes=2)),
        (timedelta(hours=1), timedelta(minutes=15)),
        (timedelta(hours=6), timedelta(hours=1)),
        (timedelta(days=3), timedelta(hours=6)),
        (timedelta(days=29), timedelta(hours=6)),
    ],
)
def test_the_older_a_message_the_more_seldom_it_is_looked_at(age, pause):
    assert pause_after(age) == pause


def test_the_life_of_a_message_takes_few_looks():
    now, looks = AT, 0
    while not is_expired(now=now, submitted_at=AT):
        now += next_look(now=now, submitted_at=AT, confirmed_at=None, hours=())
        looks += 1

    assert now == after(days=30)
    assert looks < 230


def test_a_reminder_is_not_missed_between_two_looks():
    wait = next_look(now=after(hours=3, minutes=55), submitted_at=AT, confirmed_at=None, hours=[4])

    assert wait == timedelta(minutes=5)


def test_what_was_just_confirmed_is_looked_at_often_again():
    now = after(days=5)

    assert next_look(now=now, submitted_at=AT, confirmed_at=now, hours=[]) == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("now", "reminded_at", "due"),
    [
        (after(hours=3), [], False),
        (after(hours=4), [], True),
        (after(hours=5), [after(hours=4)], False),
        (after(hours=5), [after(hours=2)], True),  # by hand, before its time
        (after(hours=30), [after(hours=4)], True),
        (after(hours=30), [after(hours=29)], False),
        (after(hours=30), [], True),  # nobody looked for a day: one is enough
    ],
)
def test_a_reminder_is_due_once_for_each_of_its_hours(now, reminded_at, due):
    wanted = reminder_is_due(now=now, submitted_at=AT, hours=[4, 24], reminded_at=reminded_at)

    assert wanted == due


def test_three_reminders_fit_into_any_24_hours():
    reminded_at = [AT, after(hours=1), after(hours=2)]

    assert not may_remind(now=after(hours=23), reminded_at=reminded_at)
    assert may_remind(now=after(hours=24), reminded_at=reminded_at)
    assert may_remind(now=after(hours=3), reminded_at=reminded_at[:2])
