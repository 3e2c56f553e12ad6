"""Plans for group chats: messages that are sent and checklists that people tick."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.errors import (
    BadSopChats,
    BadSopItems,
    BadSopStep,
    CannotApprove,
    CannotEdit,
    CannotMoveSop,
    ContentBlocked,
    SopNeedsSteps,
)
from campaigns.models import Broadcast, LexiconTerm, SandboxMessage, SopEnrolment, SopTask
from campaigns.rules.guarding import Severity
from campaigns.rules.sop import EnrolmentStatus, SopStatus, SopTaskStatus, StepKind
from campaigns.rules.status import BroadcastStatus
from campaigns.services.controlling import cancel_broadcast
from campaigns.services.finishing import finish_what_is_done
from campaigns.services.sop_enrolling import cancel_sop, enrol_chats, pause_sop, resume_sop
from campaigns.services.sop_plans import (
    approve_sop_plan,
    edit_sop_plan,
    retire_sop_plan,
    return_sop_plan,
    submit_sop_plan,
)
from campaigns.services.sop_running import advance_sop
from campaigns.services.sop_tasks import skip_sop_task, tick_sop_items
from communities.models import GroupChat
from communities.services.following import dissolve_followed_chat
from communities.services.ownership.owning import own_new_chats
from scrm.accounts.models import AuditEvent, OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.rules.roles import Role
from scrm.accounts.services.operator_tasks import complete_task
from scrm.shared.clock import database_now
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import drain
from tests.campaigns.sop import (
    CHECKS,
    HELLO,
    active_plan,
    chats_for,
    draft_plan,
    due_now,
    enrolled,
)
from tests.communities.factories import CommunityFactory

pytestmark = pytest.mark.django_db


def statuses(**tasks):
    return list(SopTask.objects.filter(**tasks).order_by("pk").values_list("status", flat=True))


# --- writing and approving ----------------------------------------------------------------------


def test_a_plan_is_written_reviewed_by_another_and_used():
    plan = draft_plan()
    assert [step.title for step in plan.steps.order_by("day_offset")] == ["欢迎", "第一天"]
    submit_sop_plan(plan.pk, actor=plan.author)
    with pytest.raises(CannotEdit):
        edit_sop_plan(plan.pk, actor=plan.author, name="改名")
    with pytest.raises(CannotApprove):
        approve_sop_plan(plan.pk, actor=plan.author)
    reviewer = UserFactory(enterprise=plan.enterprise, role=Role.REVIEWER)
    plan = approve_sop_plan(plan.pk, actor=reviewer)
    assert (plan.status, plan.approved_by) == (SopStatus.ACTIVE, reviewer)
    with pytest.raises(CannotMoveSop):
        approve_sop_plan(plan.pk, actor=reviewer)
    verbs = AuditEvent.objects.filter(object_type="campaigns.sopplan").values_list(
        "verb", flat=True
    )
    assert set(verbs) == {"create_sop_plan", "submit_sop_plan", "approve_sop_plan"}


def test_who_changed_it_last_does_not_approve_it():
    plan = draft_plan()
    reviewer = UserFactory(enterprise=plan.enterprise, role=Role.ADMINISTRATOR)
    edit_sop_plan(plan.pk, actor=reviewer, name="改名", steps=[CHECKS])
    submit_sop_plan(plan.pk, actor=plan.author)
    with pytest.raises(CannotApprove):
        approve_sop_plan(plan.pk, actor=reviewer)
    assert plan.steps.get().items == ["点名", "发群规"]


def test_a_plan_that_was_returned_can_be_changed():
    plan = draft_plan()
    submit_sop_plan(plan.pk, actor=plan.author)
    plan = return_sop_plan(plan.pk, actor=plan.author, reason="太长")
    edit_sop_plan(plan.pk, actor=plan.author, steps=[HELLO])
    assert plan.steps.count() == 1


@pytest.mark.parametrize(
    "step",
    [
        HELLO | {"body": " "},
        HELLO | {"body": "你好，{{昵称}}"},  # a chat has no nickname
        HELLO | {"title": " "},
        HELLO | {"day_offset": 366},
        CHECKS | {"items": [" "]},
        CHECKS | {"items": ["长" * 121]},
    ],
)
def test_a_step_that_could_not_be_done_is_refused(step):
    with pytest.raises(BadSopStep):
        draft_plan(steps=[HELLO, step])


def test_an_empty_plan_and_forbidden_words_are_not_submitted():
    with pytest.raises(SopNeedsSteps):
        submit_sop_plan((plan := draft_plan(steps=[])).pk, actor=plan.author)
    plan = draft_plan(steps=[HELLO | {"body": "本店是国家级品牌"}])
    with pytest.raises(ContentBlocked):
        submit_sop_plan(plan.pk, actor=plan.author)


# --- chats --------------------------------------------------------------------------------------


def test_enrolled_chats_get_every_step_at_its_local_time():
    plan = active_plan()
    chats = chats_for(plan)
    enrolled(plan, chats, begins_on=date(2030, 3, 1))
    zone = plan.enterprise.zone
    dues = SopTask.objects.filter(enrolment__chat=chats[0]).order_by("due_at")
    assert [task.due_at.astimezone(zone).replace(tzinfo=None).isoformat() for task in dues] == [
        "2030-03-01T23:59:00",
        "2030-03-02T10:00:00",
    ]
    enrol_chats(plan.pk, chats=chats, actor=plan.author)
    assert SopEnrolment.objects.count() == 2
    assert SopTask.objects.count() == 4


def test_what_was_due_before_a_chat_was_enrolled_is_skipped():
    plan = active_plan()
    yesterday = database_now().astimezone(plan.enterprise.zone).date() - timedelta(days=5)
    enrolled(plan, chats_for(plan, 1), begins_on=yesterday)
    assert statuses() == [SopTaskStatus.SKIPPED] * 2


def test_only_chats_of_the_plans_enterprise_that_carry_a_community_follow_it():
    plan = active_plan()
    homeless, foreign = chats_for(plan, 1)[0], chats_for(active_plan(), 1)[0]
    GroupChat.objects.filter(pk=homeless.pk).update(community=None)
    for chats in ([homeless], [foreign], []):
        with pytest.raises(BadSopChats):
            enrol_chats(plan.pk, chats=chats, actor=plan.author)
    draft = draft_plan(author=plan.author)
    with pytest.raises(CannotMoveSop):
        enrol_chats(draft.pk, chats=chats_for(draft), actor=plan.author)


def test_thousands_of_chats_are_enrolled_and_written_to_in_few_statements():
    plan = active_plan(steps=[HELLO])
    community = CommunityFactory(enterprise=plan.enterprise)
    chats = GroupChat.objects.bulk_create(
        GroupChat(
            enterprise=plan.enterprise,
            channel_account=plan.channel_account,
            community=community,
            external_id=f"many-{n}",
            name=f"群{n}",
        )
        for n in range(300)
    )
    own_new_chats(chats)
    with CaptureQueriesContext(connection) as queries:
        enrolled(plan, chats)
        due_now()
        advance_sop()
    assert len(queries) < 120  # of 300 chats
    assert Broadcast.objects.get().chats.count() == 300


# --- messages -----------------------------------------------------------------------------------


def test_a_message_becomes_one_broadcast_to_all_chats_that_are_due():
    plan = active_plan()
    chats = chats_for(plan, 3)
    enrolled(plan, chats)
    pause_sop(SopEnrolment.objects.get(chat=chats[2]).pk, actor=plan.author)
    due_now(step__kind=StepKind.MESSAGE)
    advance_sop()
    advance_sop()
    broadcast = Broadcast.objects.get()
    assert set(broadcast.chats.all()) == set(chats[:2])
    assert (broadcast.status, broadcast.approved_by) == (BroadcastStatus.RUNNING, plan.approved_by)
    assert broadcast.sop_step.title == "欢迎"
    drain()
    finish_what_is_done()
    advance_sop()
    sent = SandboxMessage.objects.values_list("recipient_ref", "body")
    assert set(sent) == {(chat.external_id, f"欢迎来到{chat.name}") for chat in chats[:2]}
    assert statuses(step__kind=StepKind.MESSAGE) == ["done", "done", "planned"]
    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.COMPLETED


def test_a_message_that_did_not_arrive_is_told_at_its_task():
    plan = active_plan(steps=[HELLO])
    enrolled(plan, chats_for(plan, 1))
    due_now()
    advance_sop()
    cancel_broadcast(Broadcast.objects.get().pk, actor=plan.author)
    drain()
    advance_sop()
    assert statuses() == ["failed"]


def test_a_message_whose_time_has_long_gone_is_not_sent():
    plan = active_plan(steps=[HELLO])
    enrolled(plan, chats_for(plan, 1))
    SopTask.objects.update(due_at=database_now() - timedelta(hours=7))
    advance_sop()
    assert statuses() == ["skipped"]
    assert not Broadcast.objects.exists()


def test_words_that_were_forbidden_after_the_approval_are_not_sent():
    plan = active_plan(steps=[HELLO])
    enrolled(plan, chats_for(plan, 1))
    LexiconTerm.objects.create(enterprise=plan.enterprise, term="欢迎", severity=Severity.BLOCK)
    due_now()
    advance_sop()
    assert statuses() == ["failed"]
    assert "欢迎" in SopTask.objects.get().reason
    assert not Broadcast.objects.exists()


def test_a_chat_that_lost_its_community_is_said_to_be_gone():
    plan = active_plan(steps=[HELLO])
    chats = chats_for(plan, 1)
    enrolled(plan, chats)
    GroupChat.objects.filter(pk=chats[0].pk).update(community=None)
    due_now()
    advance_sop()
    assert statuses() == ["failed"]


# --- checklists ---------------------------------------------------------------------------------


def test_a_checklist_asks_the_owner_and_ends_when_all_is_ticked():
    plan = active_plan(steps=[CHECKS])
    chats = chats_for(plan, 2)
    enrolled(plan, chats)
    due_now()
    advance_sop()
    first = SopTask.objects.get(enrolment__chat=chats[0])
    asked = first.operator_task
    assert (first.status, asked.kind, asked.assignee) == (
        SopTaskStatus.OPEN,
        TaskKind.SOP_CHECKLIST,
        chats[0].owner,
    )
    assert asked.details["reasons"] == ["点名", "发群规"]
    tick_sop_items(first.pk, items=[1], actor=plan.author)
    with pytest.raises(BadSopItems):
        tick_sop_items(first.pk, items=[2], actor=plan.author)
    done = tick_sop_items(first.pk, items=[0, 1], actor=plan.author)
    assert (done.status, done.done_by) == (SopTaskStatus.DONE, plan.author)
    asked.refresh_from_db()
    assert asked.status == TaskStatus.DONE
    with pytest.raises(CannotMoveSop):
        tick_sop_items(first.pk, items=[0], actor=plan.author)
    advance_sop()
    states = SopEnrolment.objects.order_by("chat").values_list("status", flat=True)
    assert list(states) == [EnrolmentStatus.COMPLETED, EnrolmentStatus.ACTIVE]


def test_closing_the_task_on_the_desk_ends_the_checklist_too():
    plan = active_plan(steps=[CHECKS])
    enrolled(plan, chats_for(plan, 1))
    due_now()
    advance_sop()
    complete_task(OperatorTask.objects.get().pk, actor=plan.author)
    advance_sop()
    assert statuses() == ["done"]
    assert SopTask.objects.get().done_by == plan.author


def test_a_checklist_can_be_skipped_with_a_reason():
    plan = active_plan(steps=[CHECKS])
    enrolled(plan, chats_for(plan, 1))
    due_now()
    advance_sop()
    task = skip_sop_task(SopTask.objects.get().pk, reason="群里刚开过会", actor=plan.author)
    assert task.status == SopTaskStatus.SKIPPED
    assert OperatorTask.objects.get().status == TaskStatus.DONE


# --- pausing and ending -------------------------------------------------------------------------


def test_what_was_due_during_a_pause_is_skipped():
    plan = active_plan()
    [enrolment] = enrolled(plan, chats_for(plan, 1))
    pause_sop(enrolment.pk, actor=plan.author)
    due_now(step__kind=StepKind.MESSAGE)
    advance_sop()
    assert statuses() == ["planned", "planned"]
    resume_sop(enrolment.pk, actor=plan.author)
    assert statuses() == ["skipped", "planned"]
    with pytest.raises(CannotMoveSop):
        resume_sop(enrolment.pk, actor=plan.author)


def test_ended_or_dissolved_or_retired_nothing_more_happens():
    plan = active_plan(steps=[CHECKS, HELLO | {"day_offset": 9}])
    chats = chats_for(plan, 3)
    first, second, _third = enrolled(plan, chats)
    due_now(step__kind=StepKind.CHECKLIST)
    advance_sop()
    cancel_sop(first.pk, actor=plan.author)
    dissolve_followed_chat(second.chat, at=database_now(), exact=True)
    advance_sop()
    assert statuses(enrolment=second) == ["skipped", "skipped"]
    retire_sop_plan(plan.pk, actor=plan.author)
    assert set(statuses()) == {"skipped"}
    assert set(SopEnrolment.objects.values_list("status", flat=True)) == {"cancelled"}
    assert not OperatorTask.objects.open().exists()


def test_a_time_that_the_clocks_skip_is_still_a_time():
    plan = active_plan(steps=[HELLO | {"local_time": time(2, 30)}])
    plan.enterprise.time_zone = "America/New_York"
    plan.enterprise.save()
    enrolled(plan, chats_for(plan, 1), begins_on=date(2030, 3, 10))
    assert SopTask.objects.get().due_at.isoformat().startswith("2030-03-10T07:30")
