"""Changes of owner on the platform that our rules forbid."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from communities.errors import ViolationIsClosed, ViolationNoteMissing
from communities.models import OwnershipViolation, TransferPolicy
from communities.services.ownership.violations import accept_violation, review_violations
from scrm.accounts.models import AuditEvent, OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import (
    ClassificationValueFactory,
    CommunityFactory,
    GroupChatFactory,
)
from tests.communities.test_ownership import holding_item
from tests.members.platform_worlds import Company

pytestmark = pytest.mark.django_db
GIVER, TAKER, LEAVER, STRANGER = "giver", "taker", "leaver", "stranger"


class Observed(Company):
    """A chat of a community that was read as the giver's."""

    def __init__(self):
        super().__init__(beginning=timezone.now() - timedelta(days=2))
        for userid in (GIVER, TAKER, LEAVER, STRANGER):
            self.corp.add_staff(userid, userid)
        self.staff = {
            userid: StaffFactory(
                enterprise=self.enterprise,
                external_id=userid,
                name=userid,
                is_active=userid != LEAVER,
            )
            for userid in (GIVER, TAKER, LEAVER)
        }
        self.value = ClassificationValueFactory(axis__enterprise=self.enterprise)
        self.community = CommunityFactory(enterprise=self.enterprise, values=[self.value])
        self.chat_id = self.corp.create_group(GIVER, "会员群")
        self.chat = GroupChatFactory(
            community=self.community,
            channel_account=self.connection.account,
            external_id=self.chat_id,
        )
        self.read()
        self.wait(60)

    def pass_to(self, userid):
        self.corp.change_owner(self.chat_id, userid)
        self.wait(60)
        self.read()
        self.wait(60)

    def policy(self, **fields):
        return TransferPolicy.objects.create(
            enterprise=self.enterprise, name="规则", selection="least_loaded", **fields
        )


@pytest.fixture
def company():
    return Observed()


def found():
    return list(OwnershipViolation.objects.order_by("pk").values_list("rules", "status"))


def open_task():
    return OperatorTask.objects.filter(
        kind=TaskKind.OWNERSHIP_VIOLATION, status=TaskStatus.OPEN
    ).first()


def test_a_change_that_no_rule_forbids_is_no_violation(company):
    company.pass_to(TAKER)

    assert not found()


def test_whoever_runs_the_community_is_told_the_broken_rule(company):
    company.pass_to(LEAVER)

    violation = OwnershipViolation.objects.get()
    assert (violation.rules, violation.status) == (["inactive"], "open")
    assert violation.period.staff == company.staff[LEAVER]
    task = open_task()
    assert task.assignee == company.community.owner
    assert task.title == "“会员群”在平台上换了群主：新群主已离职"
    assert (task.object_type, task.object_id) == (
        "communities.ownershipviolation",
        violation.pk,
    )


def test_a_stranger_who_becomes_known_ends_the_violation(company):
    company.pass_to(STRANGER)
    assert found() == [(["stranger"], "open")]
    assert review_violations() == 0

    StaffFactory(enterprise=company.enterprise, external_id=STRANGER)
    company.read()

    assert review_violations() == 1
    assert found() == [(["stranger"], "reversed")]
    assert open_task() is None


def test_going_back_ends_a_violation_and_is_none_itself(company):
    company.policy()
    company.pass_to(LEAVER)
    assert found() == [(["inactive", "without_approval"], "open")]

    company.pass_to(GIVER)

    assert found() == [(["inactive", "without_approval"], "reversed")]
    violation = OwnershipViolation.objects.get()
    assert (violation.note, violation.closed_by) == ("群已转回原群主。", None)
    assert open_task() is None


def test_going_on_to_somebody_who_may_own_the_chat_ends_it(company):
    company.pass_to(LEAVER)
    company.pass_to(TAKER)

    assert found() == [(["inactive"], "reversed")]


def test_going_on_to_somebody_who_may_not_leaves_both_open(company):
    company.pass_to(LEAVER)
    company.pass_to(STRANGER)
    assert review_violations() == 0
    assert found() == [(["inactive"], "open"), (["stranger"], "open")]

    company.pass_to(TAKER)
    assert [status for _, status in found()] == ["reversed", "reversed"]


def test_the_end_of_the_chat_ends_its_violations(company):
    company.pass_to(LEAVER)
    company.corp.dissolve(company.chat_id)
    company.take()

    assert review_violations() == 1
    assert OwnershipViolation.objects.get().note == "群已解散。"


def test_the_policy_that_speaks_of_the_chat_decides_about_approval(company):
    company.policy(needs_approval=True)
    company.policy(value=company.value, needs_approval=False)
    company.pass_to(TAKER)
    assert not found()

    company.policy(value=company.value, kind=company.community.kind)
    company.pass_to(GIVER)
    assert found() == [(["without_approval"], "open")]
    assert review_violations() == 0  # the owner may be one; how it was done stays


def test_too_many_chats_are_against_the_policy_until_there_are_fewer(company):
    company.policy(maximum=1, needs_approval=False)
    other = company.corp.create_group(TAKER, "另一个群")
    company.read(other)
    company.pass_to(TAKER)
    assert found() == [(["over_maximum"], "open")]

    company.corp.dissolve(other)
    company.take()

    assert review_violations() == 1


@pytest.mark.parametrize(
    ("receiver", "state", "rules"),
    [
        (TAKER, "pending", ["without_approval"]),
        (LEAVER, "queued", ["not_the_receiver"]),
        (TAKER, "queued", None),
    ],
)
def test_a_planned_hand_over_is_not_anticipated_nor_diverted(company, receiver, state, rules):
    holding_item(company, company.chat_id, receiver, state)
    company.pass_to(TAKER)

    assert found() == ([(rules, "open")] if rules else [])


def test_a_violation_is_accepted_once_with_a_reason(company):
    company.pass_to(LEAVER)
    violation = OwnershipViolation.objects.get()
    actor = UserFactory(enterprise=company.enterprise)
    with pytest.raises(ViolationNoteMissing):
        accept_violation(violation.pk, note="  ", actor=actor)

    accept_violation(violation.pk, note="下周归还", actor=actor)

    violation.refresh_from_db()
    assert (violation.status, violation.closed_by) == ("accepted", actor)
    assert open_task() is None
    assert AuditEvent.objects.filter(verb="accept_violation", actor=actor).count() == 1
    with pytest.raises(ViolationIsClosed):
        accept_violation(violation.pk, note="再来", actor=actor)
    assert review_violations() == 0
