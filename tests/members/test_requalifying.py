from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from communities.rules.kinds import EntryMode
from members.models import Membership, TierAssignment
from members.rules.standing import TierCause
from members.services.requalifying import requalify_members
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.services.operator_tasks import dismiss_task
from tests.accounts.factories import UserFactory
from tests.communities.factories import TierFactory
from tests.members.entry_factories import THREE_PURCHASES, gated
from tests.members.factories import MembershipFactory, PurchaseFactory

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=91)


def vip(**fields):
    return gated(EntryMode.RULE, THREE_PURCHASES, policy={"requalify_days": 90}, **fields)


def somebody(community, *, purchases=0, qualified_at=LONG_AGO, **fields):
    membership = MembershipFactory(
        community=community, joined_at=LONG_AGO, qualified_at=qualified_at, **fields
    )
    PurchaseFactory.create_batch(purchases, member=membership.member)
    return membership


def test_who_still_meets_the_threshold_is_confirmed_and_who_does_not_is_looked_at():
    community = vip(name="VIP")
    kept, fallen = somebody(community, purchases=3), somebody(community, member__nickname="阿福")
    before = timezone.now()

    result = requalify_members()

    assert (result.kept, result.fallen) == (1, 1)
    kept.refresh_from_db()
    fallen.refresh_from_db()
    assert kept.qualified_at >= before
    assert fallen.left_at is None
    task = OperatorTask.objects.get()
    assert (task.kind, task.object_id) == (TaskKind.REQUALIFICATION, fallen.pk)
    assert task.assignee == community.owner
    assert task.title == "阿福 不再满足“VIP”的门槛：请决定去留"
    assert task.details["clauses"] == ["购买次数 ≥ 3：实际 0，还差 3"]


def test_nobody_is_looked_at_before_the_time():
    community = vip()
    somebody(community, qualified_at=timezone.now() - timedelta(days=89))
    somebody(gated(EntryMode.RULE, THREE_PURCHASES))
    MembershipFactory(community=community, gone=True)
    somebody(vip(status="paused"))

    assert requalify_members().fallen == 0
    assert not OperatorTask.objects.exists()


def test_who_entered_before_checks_were_written_down_counts_from_the_joining():
    somebody(vip(), qualified_at=None)

    assert requalify_members().fallen == 1


def test_a_task_is_opened_once_a_period_even_if_it_was_dismissed():
    community = vip()
    somebody(community)
    requalify_members()
    task = OperatorTask.objects.get()
    dismiss_task(task.pk, reason="老朋友", actor=UserFactory(enterprise=community.enterprise))

    requalify_members()

    assert OperatorTask.objects.count() == 1


def test_who_caught_up_is_confirmed_and_the_task_ends_by_itself():
    membership = somebody(vip())
    requalify_members()
    PurchaseFactory.create_batch(3, member=membership.member)

    requalify_members()

    assert OperatorTask.objects.get().status == TaskStatus.DONE
    membership.refresh_from_db()
    assert membership.qualified_at > LONG_AGO


def test_a_tier_that_is_held_is_enough_for_the_minimum_tier():
    tier = TierFactory(criterion=THREE_PURCHASES)
    community = gated(
        EntryMode.OPEN,
        policy={"requalify_days": 30},
        enterprise=tier.scheme.enterprise,
        minimum_tier=tier,
    )
    holder, other = somebody(community), somebody(community)
    TierAssignment.objects.create(
        member=holder.member, scheme=tier.scheme, tier=tier, cause=TierCause.ENTERED
    )

    requalify_members()

    assert [task.object_id for task in OperatorTask.objects.all()] == [other.pk]


def test_a_batch_takes_as_many_queries_for_thirty_as_for_three(django_assert_num_queries):
    community = vip()
    for _ in range(3):
        somebody(community, purchases=3)
    with CaptureQueriesContext(connection) as first:
        requalify_members()
    Membership.objects.update(qualified_at=LONG_AGO)
    for _ in range(27):
        somebody(community, purchases=3)

    with django_assert_num_queries(len(first)):
        assert requalify_members().kept == 30
