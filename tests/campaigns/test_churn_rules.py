from datetime import date, timedelta

import pytest

from campaigns.rules.alerts import SILENT_DAYS, UNMEASURED_DAYS, outcome_of
from campaigns.rules.status import AlertStatus

LAST_SEEN = date(2026, 3, 1)
DEADLINE = LAST_SEEN + timedelta(days=SILENT_DAYS)


def judge(*, on, seen_again_on=None, left_on=None, measured_to=date(2027, 1, 1)):
    return outcome_of(
        last_active_on=LAST_SEEN,
        seen_again_on=seen_again_on,
        left_on=left_on,
        measured_to=measured_to,
        on=on,
    )


def test_an_alert_stays_open_while_the_silence_is_short():
    assert judge(on=DEADLINE - timedelta(days=1)) is None


def test_silence_of_28_days_is_a_loss():
    assert judge(on=DEADLINE) == AlertStatus.CHURNED


def test_a_sign_of_life_before_the_deadline_is_a_recovery():
    seen = DEADLINE - timedelta(days=1)

    assert judge(on=seen, seen_again_on=seen) == AlertStatus.RECOVERED


def test_a_sign_of_life_after_the_deadline_comes_too_late():
    assert judge(on=DEADLINE, seen_again_on=DEADLINE) == AlertStatus.CHURNED


def test_leaving_is_a_loss_at_once():
    left = LAST_SEEN + timedelta(days=5)

    assert judge(on=left, left_on=left) == AlertStatus.CHURNED


def test_who_came_back_and_left_later_had_recovered():
    seen = LAST_SEEN + timedelta(days=5)

    outcome = judge(on=DEADLINE, seen_again_on=seen, left_on=seen + timedelta(days=3))

    assert outcome == AlertStatus.RECOVERED


def test_a_farewell_on_the_day_of_leaving_is_no_recovery():
    day = LAST_SEEN + timedelta(days=5)

    assert judge(on=DEADLINE, seen_again_on=day, left_on=day) == AlertStatus.CHURNED


@pytest.mark.parametrize("measured_to", [None, DEADLINE - timedelta(days=1)])
def test_silence_that_nobody_measured_is_no_loss(measured_to):
    last_chance = DEADLINE + timedelta(days=UNMEASURED_DAYS)

    assert judge(on=DEADLINE, measured_to=measured_to) is None
    assert judge(on=last_chance, measured_to=measured_to) == AlertStatus.EXPIRED


def test_the_answer_does_not_depend_on_how_late_it_is_asked():
    seen = LAST_SEEN + timedelta(days=9)

    answers = {judge(on=seen + timedelta(days=late), seen_again_on=seen) for late in range(200)}

    assert answers == {AlertStatus.RECOVERED}
