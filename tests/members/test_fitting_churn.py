"""Learning from a community's own history: what is a label, what serves, and who decides."""

from datetime import date, datetime, time, timedelta

import numpy as np
import pytest
from django.db import connection

from members.errors import CannotMoveModel
from members.models import DailyRun, Member, MemberDay, Membership, PredictionModel
from members.rules.churn import SHIPPED_MODEL
from members.rules.daily_runs import DailyRunKind
from members.rules.predictions import ModelKind, ModelStatus
from members.selectors.measuring import measured_spans
from members.services import fitting_churn
from members.services.churn_histories import histories_of
from members.services.churn_labels import closed_cuts, labelled_at
from members.services.churn_models import serving_model
from members.services.fitting_churn import fit_community, fit_pooled
from members.services.model_registry import activate_model, retire_model
from members.services.model_runs import continue_fitting, enterprises_to_fit
from members.services.scoring import score_community
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import (
    ActivityCoverageFactory,
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
)
from tests.members.prediction_factories import PredictionModelFactory

ON = date(2026, 6, 7)  # a Sunday


def measured(community, *, days=150, until=ON):
    zone = community.enterprise.zone
    ActivityCoverageFactory(
        community=community,
        covered_from=datetime.combine(until - timedelta(days=days), time.min, tzinfo=zone),
        covered_to=datetime.combine(until, time.min, tzinfo=zone),
    )
    return community


@pytest.fixture
def community(db):
    return measured(CommunityFactory(enterprise__profiling_needs_consent=False))


def people_of(community, count, *, days=150, stay=90, seed=5):
    """Members each with a rhythm of their own; some stop for good somewhere on the way."""
    rng = np.random.default_rng(seed)
    members = joined(community, count)
    first = ON - timedelta(days=days)
    rows = []
    for member in members:
        rate, end = rng.uniform(0.05, 0.6), rng.geometric(1 / stay)
        active = np.flatnonzero(rng.random(min(days, int(end))) < rate)
        rows += [
            MemberDay(
                enterprise=community.enterprise,
                community=community,
                member=member,
                day=first + timedelta(days=int(day)),
                message_count=2,
                thread_count=1,
            )
            for day in active
        ]
    MemberDay.objects.bulk_create(rows)
    return members


def joined(community, count):
    home = community.enterprise
    members = Member.objects.bulk_create(
        MemberFactory.build(enterprise=home) for _n in range(count)
    )
    Membership.objects.bulk_create(
        MembershipFactory.build(community=community, enterprise=home, member=member)
        for member in members
    )
    return members


def active(community, *ago, **membership):
    member = MembershipFactory(community=community, **membership).member
    for days in ago:
        MemberDayFactory(community=community, member=member, day=ON - timedelta(days=days))
    return member


@pytest.fixture
def lenient(monkeypatch):
    """A third of the history is enough, because each test pays for it."""
    monkeypatch.setattr(fitting_churn, "LEAST_ROWS", 60)
    monkeypatch.setattr(fitting_churn, "LEAST_CHURNERS", 5)
    monkeypatch.setattr(fitting_churn, "LEAST_TO_COMPARE", 5)


def outcomes(community):
    rows = PredictionModel.objects.filter(community=community).order_by("pk")
    return list(rows.values_list("kind", "status"))


# --- Labels ---------------------------------------------------------------------------------------


def test_cut_offs_are_closed_and_measured_from_before_to_the_end(community):
    cuts = closed_cuts(measured_spans(community), until=ON)

    assert cuts == [ON - timedelta(days=28 * n) for n in (1, 2, 3, 4)]


def test_a_gap_in_the_coverage_takes_its_cut_offs_with_it(community):
    other = CommunityFactory(enterprise=community.enterprise)
    measured(other, days=60)
    measured(other, days=60, until=ON - timedelta(days=80))

    cuts = [ON - timedelta(days=28), ON - timedelta(days=112)]
    assert closed_cuts(measured_spans(other), until=ON) == cuts
    assert closed_cuts([], until=ON) == []


def test_a_label_is_silence_from_the_cut_off_to_the_end_of_the_horizon(community):
    cut = ON - timedelta(days=28)
    active(community, 40, 30, 28)  # came back on the very day
    active(community, 40, 30, 1)  # on the last one
    active(community, 40, 30)  # not in time
    MemberDayFactory(
        community=community, member=active(community, 40, 30), day=ON
    )  # a day too late
    active(community, 60, 50, 27)  # not seen lately at the cut-off
    active(community, 30, 5)  # one day is no rhythm
    zone = community.enterprise.zone
    for ago in (40, 10):  # gone before, and gone within: not silent but gone
        left = datetime.combine(ON - timedelta(days=ago), time.min, tzinfo=zone)
        active(
            community,
            45,
            41,
            joined_at=left - timedelta(days=50),
            left_at=left,
            leave_reason="self",
        )

    known = labelled_at(community.enterprise, [(cut, [community.pk])])

    assert sorted(known.fell_silent.tolist()) == [False, False, True, True]
    assert known.silence.tolist() == [2, 2, 2, 2]


def test_what_happens_from_the_cut_off_on_changes_no_feature(community):
    members = people_of(community, 20)
    cut = ON - timedelta(days=28)
    with connection.cursor() as cursor:
        before = histories_of(cursor, community.enterprise, [community.pk], cutoff=cut)
        MemberDay.objects.filter(day__gte=cut).delete()
        after = histories_of(cursor, community.enterprise, [community.pk], cutoff=cut)

    assert len(before) > len(members) / 2
    assert (np.sort(before, order="member") == np.sort(after, order="member")).all()


# --- What serves ----------------------------------------------------------------------------------


def test_a_community_with_enough_history_gets_coefficients_of_its_own(community):
    people_of(community, 260)

    fitted = fit_community(community, on=ON)

    model = PredictionModel.objects.get()
    assert fitted.outcome == "activated"
    assert (model.status, model.kind) == (ModelStatus.ACTIVE, ModelKind.CHURN_LOGISTIC)
    assert (model.row_count, model.positive_count) == (fitted.rows, fitted.churners)
    assert model.figures["brier"] <= 1.02 * model.figures["former_brier"]
    assert model.trained_until == ON - timedelta(days=28)
    assert serving_model(community).version == model.version
    result = score_community(community.pk, on=ON)
    assert result.model_version == model.version
    again = fit_community(community, on=ON)
    assert again.version == f"{model.version}-2"
    assert outcomes(community) == [("churn_logistic", "retired"), ("churn_logistic", "active")]


def test_what_is_worse_than_what_serves_is_not_adopted(community, monkeypatch, lenient):
    people_of(community, 80)
    monkeypatch.setattr(fitting_churn, "WORSE_BY", 0)

    assert fit_community(community, on=ON).outcome == "worse"

    assert outcomes(community) == [("churn_logistic", "rejected")]
    assert serving_model(community).version == "shipped-1"


def test_a_fit_that_does_not_converge_changes_nothing(community, monkeypatch, lenient):
    people_of(community, 80)
    monkeypatch.setattr("members.rules.churn_training.MOST_STEPS", 0)

    assert fit_community(community, on=ON).outcome == "not_converged"

    assert outcomes(community) == [("churn_logistic", "rejected")]
    assert serving_model(community).version == "shipped-1"


def test_a_community_with_hardly_any_labels_goes_by_its_weeks(db, monkeypatch):
    community = CommunityFactory(enterprise__profiling_needs_consent=False)
    measured(community, days=70)
    people_of(community, 200, days=70, stay=30)
    monkeypatch.setattr(fitting_churn, "WORSE_BY", 9)

    fitted = fit_community(community, on=ON)

    assert fitted.outcome == "activated"
    assert outcomes(community) == [("churn_btyd", "active")]
    serving = serving_model(community)
    assert serving.weekly is not None
    assert score_community(community.pk, on=ON).scored > 100
    monkeypatch.setattr(fitting_churn, "WORSE_BY", 0)
    assert fit_community(community, on=ON).outcome == "worse"
    assert serving_model(community) == serving


def test_three_members_or_none_who_ever_leaves_or_no_ear_teach_nothing(community):
    for _n in range(3):
        active(community, *range(1, 140, 9))
    few = fit_community(community, on=ON)
    deaf = CommunityFactory(enterprise=community.enterprise)
    faithful = measured(CommunityFactory(enterprise=community.enterprise))
    members = joined(faithful, 110)
    MemberDay.objects.bulk_create(
        MemberDay(
            enterprise=community.enterprise,
            community=faithful,
            member=member,
            day=ON - timedelta(days=ago),
            message_count=1,
        )
        for member in members
        for ago in range(1, 140, 7)
    )

    assert few.outcome == "no_labels"
    assert fit_community(deaf, on=ON).outcome == "unmeasured"
    assert fit_community(faithful, on=ON).outcome == "too_few"
    assert score_community(faithful.pk, on=ON).scored == 110
    assert score_community(community.pk, on=ON).scored == 3
    assert not PredictionModel.objects.exists()


def test_the_enterprise_learns_from_all_for_those_without_their_own(community, lenient):
    people_of(community, 50, seed=1)
    second = measured(CommunityFactory(enterprise=community.enterprise))
    people_of(second, 50, seed=2)

    fitted = fit_pooled(community.enterprise, on=ON)

    assert fitted.outcome == "activated"
    assert serving_model(second).version == fitted.version
    assert "-all-" in fitted.version


def test_members_who_may_not_be_profiled_teach_nothing(community):
    people_of(community, 30)
    cut = [(ON - timedelta(days=28), [community.pk])]
    assert len(labelled_at(community.enterprise, cut)) > 5

    community.enterprise.profiling_needs_consent = True
    assert len(labelled_at(community.enterprise, cut)) == 0


# --- People decide --------------------------------------------------------------------------------


def test_going_back_to_an_older_model_holds_against_the_next_training(community, lenient):
    people_of(community, 80)
    old, new = (fit_community(community, on=ON).version for _n in range(2))
    former = PredictionModel.objects.get(version=old)
    actor = UserFactory(enterprise=community.enterprise)

    activate_model(former.pk, actor=actor)

    assert serving_model(community).version == old
    assert PredictionModel.objects.get(version=new).status == ModelStatus.RETIRED
    assert AuditEvent.objects.get(verb="activate_model").after["status"] == "active"
    PredictionModel.objects.filter(pk=former.pk).update(chosen_until=ON + timedelta(days=1))
    assert fit_community(community, on=ON).outcome == "chosen"
    assert serving_model(community).version == old
    PredictionModel.objects.filter(pk=former.pk).update(chosen_until=ON)
    assert fit_community(community, on=ON).outcome == "activated"


def test_stopping_a_model_lets_the_shipped_one_serve(community):
    model = PredictionModelFactory(community=community, status=ModelStatus.ACTIVE)
    actor = UserFactory(enterprise=community.enterprise)

    retire_model(model.pk, actor=actor)

    assert serving_model(community).version == SHIPPED_MODEL.version
    with pytest.raises(CannotMoveModel):
        retire_model(model.pk, actor=actor)


def test_what_was_rejected_cannot_be_activated_and_strangers_find_nothing(community):
    model = PredictionModelFactory(community=community, status=ModelStatus.REJECTED)

    with pytest.raises(CannotMoveModel):
        activate_model(model.pk, actor=UserFactory(enterprise=community.enterprise))
    with pytest.raises(PredictionModel.DoesNotExist):
        activate_model(model.pk, actor=UserFactory())


# --- The weekly run -------------------------------------------------------------------------------


def test_models_are_fitted_in_the_night_to_sunday(community):
    at = datetime.combine(ON, time(1), tzinfo=community.enterprise.zone)

    assert enterprises_to_fit(at) == [(community.enterprise_id, ON)]
    assert enterprises_to_fit(at - timedelta(minutes=1)) == []
    assert enterprises_to_fit(at + timedelta(days=1)) == []


def test_a_run_goes_on_where_it_stopped_and_ends_with_the_enterprise(community):
    CommunityFactory(enterprise=community.enterprise)
    rounds = 0
    while not continue_fitting(community.enterprise_id, day=ON, budget=1e-9):
        rounds += 1
        assert rounds < 5

    run = DailyRun.objects.get(kind=DailyRunKind.FITTING)
    assert rounds == 2
    assert run.community_count == 2
    assert run.notes == {"no_labels": 1, "unmeasured": 1, "pooled": "no_labels"}
    assert run.finished_at is not None
    assert continue_fitting(community.enterprise_id, day=ON, budget=60)
    assert Membership.objects.count() == 0
