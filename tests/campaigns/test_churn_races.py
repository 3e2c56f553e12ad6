"""What happens when two do the same thing at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier

import pytest
from django.db import connection

from campaigns.errors import CannotMoveAlert
from campaigns.models import ChurnAlert
from campaigns.services.churn_alerts import acknowledge_alert, open_churn_alerts
from members.models import ChurnScore
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.factories import ChurnAlertFactory
from tests.members.factories import MembershipFactory

pytestmark = pytest.mark.django_db(transaction=True)

TODAY = date(2026, 3, 11)


def at_once(*calls):
    barrier = Barrier(len(calls))

    def run(call):
        try:
            barrier.wait(timeout=10)
            return call()
        except CannotMoveAlert as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_two_colleagues_cannot_both_take_an_alert():
    alert = ChurnAlertFactory()
    users = [
        UserFactory(enterprise=alert.enterprise, staff=StaffFactory(enterprise=alert.enterprise))
        for _ in range(2)
    ]

    results = at_once(
        lambda: acknowledge_alert(alert.pk, actor=users[0]),
        lambda: acknowledge_alert(alert.pk, actor=users[1]),
    )

    alert.refresh_from_db()
    (taken,) = [result for result in results if isinstance(result, ChurnAlert)]
    assert alert.assignee == taken.assignee
    assert sum(isinstance(result, CannotMoveAlert) for result in results) == 1
    assert AuditEvent.objects.filter(verb="acknowledge_alert").count() == 1


def test_two_workers_raise_an_alert_once():
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

    raised = at_once(
        lambda: open_churn_alerts(membership.community_id, TODAY),
        lambda: open_churn_alerts(membership.community_id, TODAY),
    )

    assert sorted(raised) == [0, 1]
    assert ChurnAlert.objects.count() == 1
