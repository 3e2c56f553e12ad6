from datetime import UTC, date, datetime

import pytest
from django.db import transaction

from campaigns import tasks
from campaigns.models import ChurnAlert
from campaigns.rules.status import AlertStatus
from members.models import ChurnScore
from members.signals import churn_scored
from tests.campaigns.factories import ChurnAlertFactory
from tests.members.factories import MembershipFactory

pytestmark = pytest.mark.django_db

TODAY = date(2026, 3, 11)


@pytest.fixture
def scored():
    membership = MembershipFactory(community__enterprise__profiling_needs_consent=False)
    ChurnScore.objects.create(
        enterprise=membership.enterprise,
        community=membership.community,
        member=membership.member,
        probability=0.9,
        band="high",
        last_active_on=date(2026, 3, 5),
        scored_on=TODAY,
        model_version="v1",
    )
    return membership


@pytest.fixture
def queue(monkeypatch):
    """What was put into the broker, run at once."""
    sent = []

    def deliver(task, args=None, kwargs=None, **options):
        sent.append(task.name)
        task(*(args or ()), **(kwargs or {}))

    monkeypatch.setattr("celery.app.task.Task.apply_async", deliver)
    return sent


def test_scoring_a_community_opens_its_alerts_after_commit(
    scored, queue, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        churn_scored.send(sender=ChurnScore, community_id=scored.community_id, scored_on=TODAY)
        assert queue == []

    assert queue == ["campaigns.open_churn_alerts"]
    assert ChurnAlert.objects.get().member == scored.member


def test_the_task_may_run_twice(scored):
    tasks.open_churn_alerts(scored.community_id, "2026-03-11")
    tasks.open_churn_alerts(scored.community_id, "2026-03-11")

    assert ChurnAlert.objects.count() == 1


def test_the_sweep_settles_open_alerts(time_machine):
    time_machine.move_to(datetime(2026, 3, 20, tzinfo=UTC))
    membership = MembershipFactory(gone=True, community__enterprise__profiling_needs_consent=False)
    alert = ChurnAlertFactory(community=membership.community, member=membership.member)

    tasks.tend_churn_alerts()

    alert.refresh_from_db()
    assert alert.status == AlertStatus.CHURNED
