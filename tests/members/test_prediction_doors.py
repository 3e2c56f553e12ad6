"""Models and checks as operators and programs see them, and the self-check's lines."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.urls import reverse
from rest_framework.test import APIClient

from members.doctor import models_are_fitted, scores_are_of_today
from members.rules.daily_runs import DailyRunKind
from members.rules.model_notes import note_in_words
from members.rules.predictions import ModelStatus
from scrm.accounts.models import Enterprise
from scrm.accounts.rules.roles import Role
from scrm.shared.diagnosis import Status
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import ActivityCoverageFactory, DailyRunFactory
from tests.members.prediction_factories import PredictionModelFactory, ScoreCheckFactory

pytestmark = pytest.mark.django_db

MODELS = "/api/v1/prediction-models/"
CONFIRMED = {"_form_submitted": "on"}


@pytest.fixture
def administrator():
    return UserFactory(role=Role.ADMINISTRATOR)


@pytest.fixture
def community(administrator):
    return CommunityFactory(enterprise=administrator.enterprise)


@pytest.fixture
def desk(client, administrator):
    client.force_login(administrator)
    return client


def programs(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_a_program_sees_what_a_model_was_learnt_from_and_goes_back_to_it(administrator, community):
    PredictionModelFactory(community=community, status=ModelStatus.ACTIVE)
    old = PredictionModelFactory(
        community=community,
        status=ModelStatus.RETIRED,
        notes=[{"code": "activated", "version": "shipped-1"}],
    )
    api = programs(administrator)

    row = api.get(f"{MODELS}{old.pk}/").json()
    assert row["parameters"]["intercept"] == -2.1
    assert row["notes_in_words"] == ["在最近一期上不比 shipped-1 差，已启用"]
    assert row["available_actions"] == ["activate"]
    answer = api.post(f"{MODELS}{old.pk}/activate/")
    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    assert [each["status"] for each in api.get(MODELS).json()["results"]] == ["active", "retired"]
    assert api.post(f"{MODELS}{old.pk}/activate/").json()["code"] == "cannot_move_model"


def test_an_operator_may_look_and_not_choose(administrator, community):
    model = PredictionModelFactory(community=community, status=ModelStatus.ACTIVE)
    api = programs(UserFactory(enterprise=administrator.enterprise, role=Role.OPERATOR))

    assert api.get(f"{MODELS}{model.pk}/").json()["available_actions"] == []
    assert api.post(f"{MODELS}{model.pk}/retire/").status_code == 403


def test_checks_can_be_filtered(administrator, community):
    live = ScoreCheckFactory(community=community)
    ScoreCheckFactory(community=community, is_backtest=True)

    answer = programs(administrator).get("/api/v1/score-checks/", {"is_backtest": "false"})

    assert [row["id"] for row in answer.json()["results"]] == [live.pk]
    assert answer.json()["results"][0]["figures"]["auc"] == 0.84


def test_the_page_of_a_model_shows_tables_and_no_json(desk, community):
    model = PredictionModelFactory(
        community=community,
        notes=[{"code": "worse", "version": "shipped-1"}],
        figures={"auc": 0.8, "at_10": {"lift": 2.5}, "silence_at_10": {"lift": 1.9}},
        status=ModelStatus.RETIRED,
    )

    text = desk.get(
        reverse("admin:members_predictionmodel_change", args=[model.pk])
    ).content.decode()

    assert "近 112 天活跃天数" in text
    assert "前 10%：是随机的几倍" in text
    assert "未采用" in text
    assert "{&#x27;" not in text
    desk.post(reverse("admin:members_predictionmodel_activate", args=[model.pk]), CONFIRMED)
    model.refresh_from_db()
    assert model.status == ModelStatus.ACTIVE
    assert desk.get(reverse("admin:members_predictionmodel_changelist")).status_code == 200


def test_the_page_of_a_check_shows_calibration_and_small_numbers(desk, community):
    few = ScoreCheckFactory(community=community, scored_count=12)
    check = ScoreCheckFactory(community=community, is_backtest=True)

    page = desk.get(reverse("admin:members_scorecheck_change", args=[check.pk])).content.decode()
    listed = desk.get(reverse("admin:members_scorecheck_changelist")).content.decode()

    assert "0%–10%" in page
    assert "回测" in page
    assert "样本太少" in listed
    assert few.pk != check.pk


@pytest.mark.parametrize(
    "note", [{"code": "weekly"}, {"code": "worse"}, {"code": "of-another-version"}, "text", {}]
)
def test_a_note_of_any_version_can_be_shown(note):
    assert note_in_words(note)


def installed_on(day):
    """The database of the tests is made at the real time."""
    migrations = MigrationRecorder(connection).migration_qs
    migrations.update(applied=datetime(2026, 6, day, 4, tzinfo=UTC))


def test_the_self_check_says_when_scores_or_models_are_late(community, time_machine):
    time_machine.move_to(datetime(2026, 6, 10, 4, tzinfo=UTC))
    assert scores_are_of_today().status == Status.OK  # nobody listens yet
    ActivityCoverageFactory(community=community)
    Enterprise.objects.update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    installed_on(9)
    assert scores_are_of_today().status == Status.OK  # a night may not have passed
    installed_on(8)
    assert "还没有完成过" in scores_are_of_today().detail
    assert models_are_fitted().status == Status.OK
    Enterprise.objects.update(created_at=datetime(2026, 6, 9, tzinfo=UTC))
    assert scores_are_of_today().status == Status.OK

    finished = {"enterprise": community.enterprise, "finished_at": datetime(2026, 6, 7, tzinfo=UTC)}
    DailyRunFactory(kind=DailyRunKind.SCORING, day=date(2026, 6, 7), **finished)
    DailyRunFactory(kind=DailyRunKind.FITTING, day=date(2026, 6, 7), **finished)
    assert "最久的已 3 天" in scores_are_of_today().detail
    assert models_are_fitted().status == Status.OK
    time_machine.move_to(datetime(2026, 6, 10, 4, tzinfo=UTC) + timedelta(days=7))
    assert "最久的已 10 天" in models_are_fitted().detail


def test_the_self_check_says_when_a_fit_did_not_converge(community):
    DailyRunFactory(
        enterprise=community.enterprise,
        kind=DailyRunKind.FITTING,
        finished_at=datetime(2026, 6, 7, tzinfo=UTC),
        notes={"not_converged": 2, "pooled": "no_labels"},
    )

    assert "2 个社群没有收敛" in models_are_fitted().detail


def test_the_lists_say_who_was_not_scored_for_want_of_consent(desk, administrator):
    DailyRunFactory(enterprise=administrator.enterprise, notes={"unconsented": 7})
    DailyRunFactory(
        enterprise=administrator.enterprise,
        kind=DailyRunKind.FITTING,
        notes={"too_few": 2, "pooled": "no_labels", "of-another-version": 1},
    )

    scores = desk.get(reverse("admin:members_churnscore_changelist")).content.decode()
    runs = desk.get(reverse("admin:members_dailyrun_changelist")).content.decode()

    assert "7 位在群成员没有“画像与评分”授权" in scores
    assert "7 位成员没有画像授权，未评分" in runs
    assert "2 个社群样本或沉默的人太少" in runs
