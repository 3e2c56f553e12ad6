from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from communities.rules.kinds import EntryMode
from communities.services.gatekeeping import set_entry_policy
from members import tasks
from members.models import EntryApplication
from members.services.reviewing import reject_application
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.shared.criteria import Criterion
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.entry_factories import THREE_PURCHASES, gated
from tests.members.factories import EntryApplicationFactory, MembershipFactory

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=91)


def test_each_sweep_finds_what_is_due():
    decided = EntryApplicationFactory()
    reject_application(decided.pk, reason="不符", actor=UserFactory(enterprise=decided.enterprise))
    EntryApplication.objects.update(settles_at=Now())
    waiting = EntryApplicationFactory(status="evaluating")
    expired = EntryApplicationFactory(status="approved", expires_at=LONG_AGO)
    EntryApplicationFactory(review_due_at=LONG_AGO)
    vip = gated(EntryMode.RULE, THREE_PURCHASES, policy={"requalify_days": 90})
    MembershipFactory(community=vip, joined_at=LONG_AGO, qualified_at=LONG_AGO)

    tasks.sweep_decisions()
    tasks.sweep_evaluations()
    tasks.sweep_deadlines()
    tasks.sweep_requalification()

    for application in (decided, waiting, expired):
        application.refresh_from_db()
    assert decided.settles_at is None
    assert waiting.status == "approved"
    assert expired.status == "expired"
    kinds = OperatorTask.objects.values_list("kind", flat=True)
    assert set(kinds) == {TaskKind.REVIEW_OVERDUE, TaskKind.REQUALIFICATION}


def test_a_new_policy_wakes_the_sweep_only_where_somebody_waits(
    django_capture_on_commit_callbacks,
):
    quiet, busy = CommunityFactory.create_batch(2)
    EntryApplicationFactory(community=busy)

    def wake_ups(community):
        with django_capture_on_commit_callbacks() as callbacks:
            set_entry_policy(community.pk, mode="open", criterion=Criterion(), actor=None)
        return [str(callback) for callback in callbacks if "sweep_evaluations" in str(callback)]

    assert wake_ups(quiet) == []
    assert len(wake_ups(busy)) == 1
