"""What was said on Mondays, compared with what came; and the past scored as it would have been."""

import json
from datetime import date, datetime, time, timedelta

import pytest
from django.core.management import call_command

from members.models import ChurnForecast, ChurnScore, DailyRun, MemberValue, ScoreCheck
from members.rules.daily_runs import DailyRunKind
from members.rules.standing import ConsentDecision, ConsentPurpose
from members.services.backtesting import backtest_churn
from members.services.checking_scores import check_community
from members.services.consenting import record_consent
from members.services.erasing import erase_member
from members.services.model_runs import continue_checking, enterprises_to_check
from members.services.scoring import score_community
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import (
    ActivityCoverageFactory,
    ChurnScoreFactory,
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
)
from tests.members.prediction_factories import ChurnForecastFactory
from tests.members.test_fitting_churn import people_of

CUT = date(2026, 3, 2)  # a Monday
READY = CUT + timedelta(days=29)


@pytest.fixture
def community(db):
    community = CommunityFactory(enterprise__profiling_needs_consent=False)
    ActivityCoverageFactory(community=community)
    return community


def said(community, probability, *, back_after=None, **membership):
    membership = MembershipFactory(community=community, **membership)
    ChurnForecastFactory(community=community, membership=membership, probability=probability)
    if back_after is not None:
        day = CUT + timedelta(days=back_after)
        MemberDayFactory(community=community, member=membership.member, day=day)
    return membership.member


def test_on_mondays_what_is_said_of_those_seen_lately_is_kept(community):
    member = MembershipFactory(community=community).member
    silent = MembershipFactory(community=community).member
    for who, ago in ((member, (3, 9)), (silent, (15, 20))):
        for days in ago:
            MemberDayFactory(community=community, member=who, day=CUT - timedelta(days=days))

    score_community(community.pk, on=CUT)
    score_community(community.pk, on=CUT + timedelta(days=1))

    kept = ChurnForecast.objects.get()
    assert (kept.member, kept.cut, kept.silence_days) == (member, CUT, 3)
    assert kept.model_version == "shipped-1"
    assert ChurnScore.objects.count() == 2


def test_what_was_said_first_stands_when_late_events_change_the_score(community):
    member = MembershipFactory(community=community).member
    for ago in (3, 9):
        MemberDayFactory(community=community, member=member, day=CUT - timedelta(days=ago))
    score_community(community.pk, on=CUT)
    first = ChurnForecast.objects.get().probability
    MemberDayFactory(community=community, member=member, day=CUT - timedelta(days=1))

    score_community(community.pk, on=CUT)

    assert ChurnForecast.objects.get().probability == first
    assert ChurnScore.objects.get().probability < first


def test_a_cut_off_is_compared_once_its_horizon_is_over(community):
    said(community, 0.9)
    said(community, 0.8, back_after=28)  # a day too late
    said(community, 0.2, back_after=27)
    said(community, 0.1, back_after=0)
    left = datetime.combine(CUT + timedelta(days=9), time(), tzinfo=community.enterprise.zone)
    said(community, 0.5, joined_at=left - timedelta(days=90), left_at=left, leave_reason="self")

    assert check_community(community, on=READY - timedelta(days=1)) == []
    (check,) = check_community(community, on=READY)

    assert (check.cut, check.scored_count, check.churned_count) == (CUT, 4, 2)
    assert check.figures["auc"] == 1
    assert check.figures["brier"] == pytest.approx((0.01 + 0.04 + 0.04 + 0.01) / 4)
    assert not ChurnForecast.objects.exists()
    assert check_community(community, on=READY) == []
    assert ScoreCheck.objects.count() == 1


def test_a_cut_off_that_nobody_measured_to_its_end_is_given_up(community):
    community.coverage.update(covered_to=datetime(2026, 3, 20, tzinfo=community.enterprise.zone))
    said(community, 0.9)

    assert check_community(community, on=READY) == []
    assert ChurnForecast.objects.exists()
    assert check_community(community, on=CUT + timedelta(days=56)) == []
    assert not ChurnForecast.objects.exists()


def test_the_daily_run_checks_every_community(community):
    said(community, 0.9)
    at = datetime.combine(READY, time(3, 30), tzinfo=community.enterprise.zone)
    assert enterprises_to_check(at) == [(community.enterprise_id, READY)]

    assert continue_checking(community.enterprise_id, day=READY, budget=60)

    run = DailyRun.objects.get(kind=DailyRunKind.CHECKING)
    assert (run.community_count, run.member_count) == (1, 1)
    assert enterprises_to_check(at) == []


def test_the_past_is_scored_as_it_would_have_been(community):
    on = date(2026, 6, 7)
    people_of(community, 60)

    backtest = backtest_churn(community, weeks=8, on=on)

    assert len(backtest.checks) == 8
    assert {check.cut.weekday() for check in backtest.checks} == {0}
    assert max(check.cut for check in backtest.checks) == date(2026, 5, 4)
    assert {check.model_version for check in backtest.checks} == {"shipped-1"}
    assert all(check.is_backtest for check in ScoreCheck.objects.all())
    assert backtest.overall["auc"] > 0.6
    assert backtest.warnings["warnings"] > 0
    backtest_churn(community, weeks=8, on=on)
    assert ScoreCheck.objects.count() == 8


def test_the_command_says_it_in_one_line(community, capsys):
    people_of(community, 30)
    names = {"community": community.code, "on": date(2026, 6, 7), "weeks": 3}

    call_command("backtest_churn", **names)
    assert "3 周：AUC" in capsys.readouterr().out
    call_command("backtest_churn", json=True, **names)
    assert json.loads(capsys.readouterr().out)["weeks"] == 3
    call_command("fit_models", on=date(2026, 6, 7))
    assert "沿用全企业或自带的模型" in capsys.readouterr().out


# --- Consent --------------------------------------------------------------------------------------


def agree(member, decision):
    record_consent(
        member,
        purpose=ConsentPurpose.PROFILING,
        decision=decision,
        text_version="1",
        source="form",
    )


def profile_of(community, member):
    MembershipFactory(community=community, member=member)
    ChurnScoreFactory(community=community, member=member)
    MemberValue.objects.create(
        member=member, enterprise=member.enterprise, computed_on=date(2026, 3, 1)
    )
    ChurnForecast.objects.create(
        community=community,
        member=member,
        cut=CUT,
        probability=0.5,
        silence_days=2,
        model_version="shipped-1",
    )


def profiles():
    return (
        ChurnScore.objects.count(),
        MemberValue.objects.count(),
        ChurnForecast.objects.count(),
    )


@pytest.mark.parametrize("decision", [ConsentDecision.WITHDRAWN, ConsentDecision.DENIED])
def test_who_withdraws_or_refuses_loses_the_profile_at_once(community, decision):
    member, other = MemberFactory.create_batch(2, enterprise=community.enterprise)
    agree(member, ConsentDecision.GRANTED)
    for who in (member, other):
        profile_of(community, who)

    agree(member, decision)

    assert profiles() == (1, 1, 1)
    assert not ChurnScore.objects.filter(member=member).exists()


def test_who_is_erased_has_no_profile(community):
    member = MemberFactory(enterprise=community.enterprise)
    profile_of(community, member)

    erase_member(member.pk, actor=UserFactory(enterprise=community.enterprise), reason="本人来电")

    assert profiles() == (0, 0, 0)


def test_without_consent_nobody_is_scored_and_it_is_said(community, capsys):
    type(community.enterprise).objects.update(profiling_needs_consent=True)
    agreed, silent = (MembershipFactory(community=community).member for _n in range(2))
    for who in (agreed, silent):
        for ago in (3, 9):
            MemberDayFactory(community=community, member=who, day=CUT - timedelta(days=ago))
    agree(agreed, ConsentDecision.GRANTED)

    result = score_community(community.pk, on=CUT)

    assert (result.scored, result.unconsented) == (1, 1)
    assert ChurnScore.objects.get().member == agreed
    call_command("score_churn", on=CUT)
    assert "1 位在群成员没有“画像与评分”授权" in capsys.readouterr().out
