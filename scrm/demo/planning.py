"""A plan that group chats follow for a week: messages that are sent, and lists for their owners."""

from __future__ import annotations

from datetime import time, timedelta

from django.db.models import F

from campaigns.models import Run, SopEnrolment, SopTask
from campaigns.rules.sop import SopTaskStatus, StepKind
from campaigns.services.draining import drain_slice
from campaigns.services.sop_enrolling import enrol_communities
from campaigns.services.sop_plans import approve_sop_plan, create_sop_plan, submit_sop_plan
from campaigns.services.sop_running import advance_sop
from campaigns.services.sop_tasks import tick_sop_items
from communities.rules.kinds import ContentCategory
from scrm.demo.backdating import date_back, take_stock
from scrm.demo.contents import FIRST_WEEK, LOOK_BACK, OPENING, PLAN, WARM_UP
from scrm.demo.founding import Founded

FOLLOWERS = ("corgi", "shanghai-golden", "walk21")
BEGAN_DAYS_AGO = 2


def follow_a_plan(founded: Founded) -> int:
    """Begun the day before yesterday: some is done, some waits for people, some is to come."""
    operator = founded.users["yunying"]
    plan = create_sop_plan(
        actor=operator,
        name=PLAN,
        channel_account=founded.sandbox,
        steps=[
            {
                "day_offset": 0, "local_time": time(9), "kind": StepKind.CHECKLIST,
                "title": "开群三件事", "items": list(OPENING),
            },
            {
                "day_offset": 1, "local_time": time(12), "kind": StepKind.MESSAGE,
                "title": "晒宠时间", "category": ContentCategory.UGC, "body": WARM_UP,
            },
            {
                "day_offset": 6, "local_time": time(20), "kind": StepKind.CHECKLIST,
                "title": "第一周小结", "items": list(FIRST_WEEK),
            },
            {
                "day_offset": 7, "local_time": time(12), "kind": StepKind.MESSAGE,
                "title": "想聊什么", "category": ContentCategory.UGC, "body": LOOK_BACK,
            },
        ],
    )  # fmt: skip
    submit_sop_plan(plan.pk, actor=operator)
    approve_sop_plan(plan.pk, actor=founded.users["shenhe"])
    enrol_communities(
        plan.pk,
        communities=[founded.communities[code] for code in FOLLOWERS],
        actor=operator,
        begins_on=founded.now.date() - timedelta(days=BEGAN_DAYS_AGO),
    )
    live_through(founded)
    return SopEnrolment.objects.filter(plan=plan).count()


def live_through(founded: Founded) -> None:
    """What was due in those days, as the sweep would have done it."""
    past = SopTask.objects.filter(
        enrolment__plan__enterprise=founded.enterprise, status=SopTaskStatus.SKIPPED
    )
    messages = past.filter(step__kind=StepKind.MESSAGE)
    sent_at = dict(messages.values_list("pk", "due_at"))
    messages.update(due_at=founded.now)
    past.update(status=SopTaskStatus.PLANNED, reason="")
    advance_sop()
    while drain_slice():
        pass
    advance_sop()
    told = SopTask.objects.filter(pk__in=sent_at)
    for run in Run.objects.filter(pk__in=told.values("run")):
        date_back(run, min(sent_at.values()))
        take_stock(run)
    back = founded.now - min(sent_at.values())
    told.update(due_at=F("due_at") - back, done_at=F("done_at") - back)
    tick_some(founded)


def tick_some(founded: Founded) -> None:
    """In the first chat everything is done, in the next a part of it, in the others nothing."""
    opened = SopTask.objects.filter(
        enrolment__plan__enterprise=founded.enterprise, status=SopTaskStatus.OPEN
    ).order_by("pk")
    for task, items in zip(opened[:2], (range(len(OPENING)), (0,)), strict=False):
        tick_sop_items(task.pk, items=list(items), actor=founded.users["yunying"])
