from datetime import date, timedelta

from campaigns.rules.alerts import (
    SILENT_DAYS,
    UNMEASURED_DAYS,
    is_covered,
    is_held_out,
    outcome_of,
)
from campaigns.rules.status import AlertOutcome

LAST_SEEN = date(2026, 3, 1)
DEADLINE = LAST_SEEN + timedelta(days=SILENT_DAYS)


def judge(*, on, seen_again_on=None, left_on=None, measured=True):
    return outcome_of(
        last_active_on=LAST_SEEN,
        seen_again_on=seen_again_on,
        left_on=left_on,
        is_measured=measured,
        on=on,
    )


def test_an_alert_stays_open_while_the_silence_is_short():
    assert judge(on=DEADLINE - timedelta(days=1)) is None


def test_silence_of_28_days_is_a_loss():
    assert judge(on=DEADLINE) == AlertOutcome.LOST


def test_a_sign_of_life_before_the_deadline_is_a_recovery():
    seen = DEADLINE - timedelta(days=1)

    assert judge(on=seen, seen_again_on=seen) == AlertOutcome.SAVED


def test_a_sign_of_life_after_the_deadline_comes_too_late():
    assert judge(on=DEADLINE, seen_again_on=DEADLINE) == AlertOutcome.LOST


def test_leaving_is_a_loss_at_once():
    left = LAST_SEEN + timedelta(days=5)

    assert judge(on=left, left_on=left) == AlertOutcome.LEFT


def test_who_came_back_and_left_later_had_recovered():
    seen = LAST_SEEN + timedelta(days=5)

    outcome = judge(on=DEADLINE, seen_again_on=seen, left_on=seen + timedelta(days=3))

    assert outcome == AlertOutcome.SAVED


def test_a_farewell_on_the_day_of_leaving_is_no_recovery():
    day = LAST_SEEN + timedelta(days=5)

    assert judge(on=DEADLINE, seen_again_on=day, left_on=day) == AlertOutcome.LEFT


def test_who_leaves_after_the_silence_was_declared_was_lost_before():
    left = DEADLINE + timedelta(days=9)

    assert judge(on=left, left_on=left) == AlertOutcome.LOST


def test_silence_that_nobody_measured_is_no_loss():
    last_chance = DEADLINE + timedelta(days=UNMEASURED_DAYS)

    assert judge(on=DEADLINE, measured=False) is None
    assert judge(on=last_chance, measured=False) == AlertOutcome.UNMEASURED


def test_a_gap_in_what_was_listened_to_is_no_silence():
    march = [date(2026, 3, day) for day in range(1, 31)]
    spans = [(march[0], march[14]), (march[17], march[20])]

    assert is_covered(spans, march[3], march[12])
    assert not is_covered(spans, march[12], march[18])


def test_one_in_so_many_is_held_out_and_always_the_same_ones():
    held = [is_held_out(member, 7, LAST_SEEN, percent=10) for member in range(5000)]

    assert held == [is_held_out(member, 7, LAST_SEEN, percent=10) for member in range(5000)]
    assert 430 < sum(held) < 570
    other_day = [is_held_out(member, 7, DEADLINE, percent=10) for member in range(5000)]
    assert held != other_day
    assert not any(is_held_out(member, 7, LAST_SEEN, percent=0) for member in range(100))


def test_the_answer_does_not_depend_on_how_late_it_is_asked():
    seen = LAST_SEEN + timedelta(days=9)

    answers = {judge(on=seen + timedelta(days=late), seen_again_on=seen) for late in range(200)}

    assert answers == {AlertOutcome.SAVED}
