"""A forecast in the composer, for the approver, in the report and through the API."""

from __future__ import annotations

import pytest
from celery import Task
from django.test import Client
from django.urls import reverse

from campaigns import tasks
from campaigns.models import BroadcastForecast, RunReport
from campaigns.rules.status import BroadcastStatus
from campaigns.services.forecasting import freeze_forecast, settle_forecast
from campaigns.services.reporting import report_run
from campaigns.signals import broadcast_started, run_reported
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import BroadcastFactory
from tests.campaigns.runs import people_in, run_to
from tests.communities.factories import CommunityFactory

pytestmark = pytest.mark.django_db


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator():
    return UserFactory(role=Role.OPERATOR)


@pytest.fixture
def broadcast(operator):
    community = CommunityFactory(enterprise=operator.enterprise)
    people_in(community, 30)
    return BroadcastFactory(author=operator, communities=[community])


def final(run):
    report = report_run(run.pk)
    RunReport.objects.filter(pk=report.pk).update(is_final=True)
    return report


def test_the_api_says_what_a_broadcast_may_bring_without_writing_it(operator, broadcast):
    url = reverse("broadcast-forecast", args=[broadcast.pk])

    answer = client_of(operator).get(url).json()

    assert answer["is_assumption"] is True
    assert answer["run"] is None
    assert [one["option"] for one in answer["figures"]["options"]] == ["chosen"]
    assert set(answer["figures"]["options"][0]["leaves"]) == {"mean", "low", "high"}
    assert not BroadcastForecast.objects.exists()


def test_made_on_somebodys_word_it_is_kept(operator, broadcast):
    url = reverse("broadcast-forecast", args=[broadcast.pk])
    viewer = UserFactory(enterprise=operator.enterprise, role=Role.ANALYST)

    assert client_of(operator).post(url, {}, content_type="application/json").status_code == 200
    assert client_of(viewer).post(url, {}, content_type="application/json").status_code == 403
    assert BroadcastForecast.objects.get().broadcast == broadcast


def test_a_strangers_broadcast_has_no_forecast(broadcast):
    stranger = client_of(UserFactory(role=Role.OPERATOR))

    assert stranger.get(reverse("broadcast-forecast", args=[broadcast.pk])).status_code == 404
    assert stranger.get(reverse("run-forecast", args=[1])).status_code == 404


def test_the_composer_shows_figures_with_intervals_and_says_it_is_an_assumption(
    operator, broadcast
):
    page = reverse("admin:campaigns_broadcast_change", args=[broadcast.pk])

    shown = client_of(operator).get(f"{page}?fragment=forecast").content.decode()
    whole = client_of(operator).get(page).content.decode()

    assert "假设" in shown
    assert "现在选的人" in shown
    assert "30 人" in shown
    assert "{" not in shown
    assert 'id="forecast"' in whole


def test_a_new_form_without_choices_asks_for_them(operator):
    page = reverse("admin:campaigns_broadcast_add")

    shown = client_of(operator).post(f"{page}?fragment=forecast", {}).content.decode()

    assert "填好内容、社群和渠道" in shown


def test_the_approver_sees_the_same(operator, broadcast):
    broadcast.status = BroadcastStatus.IN_REVIEW
    broadcast.save()
    approver = UserFactory(enterprise=operator.enterprise, role=Role.ADMINISTRATOR)
    page = reverse("admin:campaigns_broadcast_change", args=[broadcast.pk])

    assert "30 人" in client_of(approver).get(f"{page}?fragment=forecast").content.decode()


def test_the_report_puts_what_happened_beside_what_was_said():
    run, _people = run_to(20, hours_ago=3)
    freeze_forecast(run.pk)
    report = final(run)
    user = UserFactory(enterprise=run.broadcast.enterprise, role=Role.OPERATOR)
    page = reverse("admin:campaigns_runreport_change", args=[report.pk])

    before = client_of(user).get(page).content.decode()
    settle_forecast(run.pk)
    after = client_of(user).get(page).content.decode()

    assert "等报告定稿" in before
    assert "在区间" in after
    assert "样本太少" in after


def test_how_often_intervals_were_right_is_published():
    run, _people = run_to(20, hours_ago=3)
    freeze_forecast(run.pk)
    final(run)
    settle_forecast(run.pk)
    user = UserFactory(enterprise=run.broadcast.enterprise, role=Role.OPERATOR)

    figures = {
        one["figure"]: one for one in client_of(user).get(reverse("forecast-accuracy")).json()
    }
    held = client_of(user).get(reverse("run-forecast", args=[run.pk])).json()["actual"]["inside"]

    assert figures["reach"]["judged"] == 1
    assert figures["reach"]["inside"] == int(held["reach"])
    assert figures["reach"]["expected"] == 0.8
    assert figures["reach"]["is_small"] is True
    assert figures["net"]["share"] is None


def test_a_run_is_forecast_and_judged_when_it_begins_and_ends(
    monkeypatch, django_capture_on_commit_callbacks
):
    run, _people = run_to(20, hours_ago=3)
    sent = []
    monkeypatch.setattr(
        Task, "apply_async", lambda task, args=(), kwargs=None, **_: sent.append((task.name, args))
    )

    with django_capture_on_commit_callbacks(execute=True):
        broadcast_started.send(sender=type(run), broadcast_id=run.broadcast_id, run_id=run.pk)
        run_reported.send(sender=type(run), run_id=run.pk)
    tasks.freeze_forecast(run.pk)
    final(run)
    tasks.settle_forecast(run.pk)
    tasks.sweep_forecasts()

    assert ("campaigns.freeze_forecast", (run.pk,)) in sent
    assert ("campaigns.settle_forecast", (run.pk,)) in sent
    assert BroadcastForecast.objects.get(run=run).actual["reach"] == 20
