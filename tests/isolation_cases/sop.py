"""Doors of plans for group chats; they belong to campaigns."""

from datetime import time

from django.utils import timezone

from campaigns.models import SopEnrolment, SopPlan, SopStep, SopTask
from campaigns.rules.sop import EnrolmentStatus, SopStatus, SopTaskStatus, StepKind
from scrm.accounts.rules.roles import Role
from tests.communities.factories import GroupChatFactory
from tests.isolation import Call


def build(world):
    for name, status in (
        ("draft plan", SopStatus.DRAFT),
        ("plan in review", SopStatus.IN_REVIEW),
        ("sop plan", SopStatus.ACTIVE),
    ):
        world.rows[name] = plan_of(world, name, status)
    plan = world.rows["sop plan"]
    free = chat_of(world, "自由")
    for name, status in (
        ("sop enrolment", EnrolmentStatus.ACTIVE),
        ("paused enrolment", EnrolmentStatus.PAUSED),
    ):
        world.rows[name] = SopEnrolment.objects.create(
            plan=plan,
            chat=chat_of(world, name),
            begins_on=timezone.now().date(),
            status=status,
            enrolled_by=world.users[Role.OPERATOR],
        )
    world.rows["free chat"] = free
    step = plan.steps.get(kind=StepKind.CHECKLIST)
    for name, enrolment in (("sop task", "sop enrolment"), ("other sop task", "paused enrolment")):
        world.rows[name] = SopTask.objects.create(
            enrolment=world.rows[enrolment],
            step=step,
            due_at=timezone.now(),
            status=SopTaskStatus.OPEN,
            reason=f"{world.mark}说明",
        )


def chat_of(world, name):
    return GroupChatFactory(
        enterprise=world.enterprise,
        community=world.rows["community"],
        channel_account=world.rows["channel account"],
        name=f"{world.mark}{name}",
    )


def plan_of(world, name, status):
    plan = SopPlan.objects.create(
        enterprise=world.enterprise,
        name=f"{world.mark}{name}",
        channel_account=world.rows["channel account"],
        status=status,
        author=world.users[Role.OPERATOR],
        approved_by=world.users[Role.REVIEWER] if status == SopStatus.ACTIVE else None,
    )
    common = {"plan": plan, "day_offset": 0, "local_time": time(10)}
    SopStep.objects.create(
        **common, kind=StepKind.MESSAGE, title=f"{world.mark}消息", body=f"{world.mark}你好"
    )
    SopStep.objects.create(
        **common, kind=StepKind.CHECKLIST, title=f"{world.mark}清单", items=[f"{world.mark}点名"]
    )
    return plan


def new_plan(world):
    return {
        "name": "新群 30 天",
        "channel_account": world["channel account"].pk,
        "steps": [
            {
                "day_offset": 0,
                "local_time": "10:00",
                "kind": "checklist",
                "title": "第一天",
                "items": ["点名"],
            }
        ],
    }


REASON = {"reason": "写得太长"}

API = {
    "sop-plan-list": {"get": Call(), "post": Call(body=new_plan, answers=(201,))},
    "sop-plan-detail": {
        "get": Call(row="draft plan"),
        "patch": Call(
            row="draft plan", body=lambda w: {"channel_account": w["channel account"].pk}
        ),
    },
    "sop-plan-submit": {"post": Call(row="draft plan")},
    "sop-plan-approve": {"post": Call(row="plan in review")},
    "sop-plan-return-to-draft": {"post": Call(row="plan in review", body=lambda w: REASON)},
    "sop-plan-retire": {"post": Call(row="sop plan")},
    "sop-plan-enrol": {"post": Call(row="sop plan", body=lambda w: {"chats": [w["free chat"].pk]})},
    "sop-enrolment-list": {"get": Call()},
    "sop-enrolment-detail": {"get": Call(row="sop enrolment")},
    "sop-enrolment-pause": {"post": Call(row="sop enrolment")},
    "sop-enrolment-resume": {"post": Call(row="paused enrolment")},
    "sop-enrolment-cancel": {"post": Call(row="sop enrolment")},
    "sop-task-list": {"get": Call()},
    "sop-task-detail": {"get": Call(row="sop task")},
    "sop-task-tick": {"post": Call(row="sop task", body=lambda w: {"items": [0]})},
    "sop-task-skip": {"post": Call(row="other sop task", body=lambda w: REASON)},
}

ADMIN = {
    "campaigns.sopplan": "draft plan",
    "campaigns.sopenrolment": "sop enrolment",
    "campaigns.soptask": "sop task",
}

ADMIN_URLS = {
    "campaigns_sopplan_submit": Call(row="draft plan"),
    "campaigns_sopplan_approve": Call(row="plan in review"),
    "campaigns_sopplan_return_to_draft": Call(row="plan in review", body=lambda w: REASON),
    "campaigns_sopplan_enrol": Call(
        row="sop plan", body=lambda w: {"communities": [w["community"].pk]}
    ),
    "campaigns_sopplan_retire": Call(row="sop plan"),
    "campaigns_sopenrolment_pause": Call(row="sop enrolment"),
    "campaigns_sopenrolment_resume": Call(row="paused enrolment"),
    "campaigns_sopenrolment_cancel": Call(row="sop enrolment"),
    "campaigns_soptask_tick": Call(row="sop task", body=lambda w: {"items": ["0"]}),
    "campaigns_soptask_skip": Call(row="other sop task", body=lambda w: REASON),
}
