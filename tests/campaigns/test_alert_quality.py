from datetime import UTC, date, datetime

import pytest

from campaigns.models import WinbackAction
from campaigns.rules.alert_quality import (
    AlertGroup,
    Check,
    effect_of,
    judged,
    median_of,
    together,
)
from campaigns.rules.status import AlertOutcome, AlertStatus
from campaigns.rules.winback import WinbackKind, WinbackStatus
from campaigns.selectors.alert_quality import first_of, quality_for
from members.models import ScoreCheck
from tests.accounts.factories import UserFactory
from tests.campaigns.factories import ChurnAlertFactory
from tests.communities.factories import CommunityFactory

MARCH = date(2026, 3, 1)
CUT = date(2026, 3, 2)


def figures(**changes):
    budget = {"n": 20, "hits": 16, "precision": 0.8, "recall": 0.4, "lift": 2.0}
    plain = budget | {"hits": 8}
    bins = [
        {"from": 0.0, "to": 0.5, "n": 60, "mean_p": 0.2, "rate": 0.2},
        {"from": 0.5, "to": 1.0, "n": 40, "mean_p": 0.8, "rate": 0.7},
    ]
    return {
        "auc": 0.9,
        "silence_auc": 0.7,
        "brier": 0.1,
        "ece": 0.04,
        "bins": bins,
        "at_10": budget,
        "silence_at_10": plain,
        "at_20": budget,
        "silence_at_20": plain,
        "notice_days": {"median": 20.0, "n": 10},
    } | changes


def check(cut=CUT, *, scored=100, churned=40, version="v1", is_backtest=False, **changes):
    return Check(cut, version, is_backtest, scored, churned, figures(**changes))


def group(outcome, n, *, held=False, acted=False, notice=None):
    return AlertGroup(MARCH, "v1", "threshold", held, acted, outcome, notice, n)


# --- scores ---


def test_checks_of_several_cuts_add_up():
    both = together([check(), check(date(2026, 3, 9), scored=300, churned=40, brier=0.2, auc=0.8)])

    assert (both.cuts, both.scored, both.churned, both.base_rate) == (2, 400, 80, 0.2)
    assert both.brier == pytest.approx((100 * 0.1 + 300 * 0.2) / 400)
    pairs = (40 * 60, 40 * 260)
    assert both.auc == pytest.approx((pairs[0] * 0.9 + pairs[1] * 0.8) / sum(pairs))
    assert both.at_20.precision == 0.8
    assert both.at_20.recall == 0.4
    assert both.at_20.lift == pytest.approx(0.8 / 0.2)
    assert both.at_20.lift_over_silence == 2.0
    assert both.notice_days == 20.0


def test_calibration_adds_up_bin_by_bin_with_its_interval():
    worse = [{"from": 0.5, "to": 1.0, "n": 40, "mean_p": 0.6, "rate": 0.3}]
    bins = together([check(), check(bins=worse)]).bins

    assert [(one.n, one.mean_p, one.rate) for one in bins] == [
        (60, pytest.approx(0.2), pytest.approx(0.2)),
        (80, pytest.approx(0.7), pytest.approx(0.5)),
    ]
    assert 0.5 in bins[1].interval
    assert together([check()]).ece == pytest.approx(0.04)


def test_what_a_check_does_not_know_is_left_out():
    nobody = check(scored=3, churned=0, auc=None, bins=[], notice_days={"median": None, "n": 0})
    nothing = together([nobody])

    assert (nothing.auc, nothing.ece, nothing.notice_days) == (None, None, None)
    assert nothing.is_few
    assert together([nobody, check()]).auc == pytest.approx(0.9)


def test_fewer_than_thirty_of_either_kind_are_few():
    assert together([check(churned=29)]).is_few
    assert not together([check(churned=30)]).is_few


def test_the_median_of_counted_values():
    assert median_of({}) is None
    assert median_of({20: 1}) == 20
    assert median_of({20: 1, 22: 1}) == 21
    assert median_of({15: 3, 28: 2}) == 15


# --- alerts ---


def test_right_is_an_alert_whose_member_fell_silent_or_left():
    found = judged(
        [
            group("lost", 4, notice=18),
            group("left", 2, notice=25),
            group("saved", 3),
            group("lost", 1, held=True, notice=26),
            group("saved", 1, held=True),
            group("", 5),
            group("unmeasured", 2),
        ]
    )

    assert (found.raised, found.decided, found.pending, found.unmeasured) == (18, 11, 5, 2)
    assert found.precision == pytest.approx(7 / 11)
    assert found.held_out_precision == 0.5
    assert found.notice_days == 18  # of those who fell silent; who leaves says so
    assert found.is_few
    assert judged([]).precision is None


def test_the_effect_is_who_came_back_of_the_offered_against_the_held_out():
    effect = effect_of(
        [
            group("saved", 200, acted=True),
            group("lost", 200, acted=True),
            group("lost", 200),
            group("saved", 10, held=True),
            group("left", 40, held=True),
            group("", 9, held=True),
        ]
    )

    assert (effect.held_out.rate, effect.acted_on.rate) == (0.2, 0.5)
    assert effect.difference == pytest.approx(1 / 3 - 0.2)
    assert effect.acted_difference == pytest.approx(0.3)
    assert effect.interval.low < effect.difference < effect.interval.high
    assert not effect.is_few
    assert effect.is_certain is (effect.interval.low > 0)


def test_nothing_is_certain_of_few():
    effect = effect_of([group("saved", 29), group("lost", 29, held=True)])

    assert effect.is_few
    assert not effect.is_certain
    assert effect_of([]).difference is None


# --- read from the rows ---


@pytest.fixture
def community(db):
    return CommunityFactory()


def decided(community, outcome, *, held=False, done=False, **fields):
    alert = ChurnAlertFactory(
        community=community,
        outcome=outcome,
        status=AlertStatus.CHURNED,
        is_held_out=held,
        closed_at=datetime(2026, 4, 1, tzinfo=UTC),
        **fields,
    )
    if done:
        WinbackAction.objects.create(
            enterprise=community.enterprise,
            alert=alert,
            kind=WinbackKind.TASK,
            status=WinbackStatus.DONE,
        )


def checked(community, cut=CUT, *, version="test", is_backtest=False):
    return ScoreCheck.objects.create(
        enterprise=community.enterprise,
        community=community,
        cut=cut,
        model_version=version,
        is_backtest=is_backtest,
        scored_count=100,
        churned_count=40,
        figures=figures(),
    )


def test_months_and_model_versions_join_checks_and_alerts(community):
    checked(community)
    checked(community, date(2026, 2, 2), version="old")
    checked(community, is_backtest=True)
    decided(community, AlertOutcome.LOST)
    decided(community, AlertOutcome.SAVED, held=True)
    stranger = CommunityFactory()
    checked(stranger)
    decided(stranger, AlertOutcome.LOST)
    user = UserFactory(enterprise=community.enterprise)

    quality = quality_for(user, today=date(2026, 4, 5))

    rows = [(row.month, row.model_version, row.is_backtest) for row in quality.months]
    assert rows == [
        (MARCH, "test", True),
        (MARCH, "test", False),
        (date(2026, 2, 1), "old", False),
    ]
    live = quality.months[1]
    assert (live.checked.scored, live.alerts.raised, live.alerts.notice_days) == (100, 2, 18)
    assert quality.months[0].alerts is None
    assert (quality.checked.scored, quality.backtested.scored) == (200, 100)
    assert quality.effect.held_out.n == 1


def test_those_acted_on_are_those_for_whom_something_was_done(community):
    decided(community, AlertOutcome.SAVED, done=True)
    decided(community, AlertOutcome.LOST)
    user = UserFactory(enterprise=community.enterprise)

    effect = quality_for(user, today=date(2026, 4, 5)).effect

    assert (effect.acted_on.n, effect.offered.n, effect.held_out.n) == (1, 2, 0)


def test_one_community_and_a_span_of_months_can_be_asked_for(community):
    other = CommunityFactory(enterprise=community.enterprise)
    for place in (community, other):
        checked(place)
        checked(place, date(2025, 1, 6))
    user = UserFactory(enterprise=community.enterprise)

    asked = quality_for(user, today=date(2026, 4, 5), months=2, community=other)

    assert asked.checked.scored == 100
    assert asked.since == date(2026, 3, 1)
    assert first_of(date(2026, 1, 31), 12) == date(2025, 2, 1)
