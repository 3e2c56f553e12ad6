"""Plans for group chats, through their verbs."""

from __future__ import annotations

from datetime import time, timedelta

from campaigns.models import SopEnrolment, SopTask
from campaigns.rules.sop import StepKind
from campaigns.services.sop_enrolling import enrol_chats
from campaigns.services.sop_plans import approve_sop_plan, create_sop_plan, submit_sop_plan
from scrm.accounts.rules.roles import Role
from scrm.shared.clock import database_now
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.wecom.factories import ChannelAccountFactory

HELLO = {
    "day_offset": 0,
    "local_time": time(23, 59),
    "kind": StepKind.MESSAGE,
    "title": "欢迎",
    "body": "欢迎来到{{群名}}",
}
CHECKS = {
    "day_offset": 1,
    "local_time": time(10),
    "kind": StepKind.CHECKLIST,
    "title": "第一天",
    "items": ["点名", "发群规"],
}


def draft_plan(*, author=None, steps=(HELLO, CHECKS)):
    author = author or UserFactory(role=Role.OPERATOR)
    account = ChannelAccountFactory(enterprise=author.enterprise)
    return create_sop_plan(
        actor=author, name="新群 30 天", channel_account=account, steps=list(steps)
    )


def active_plan(**values):
    plan = draft_plan(**values)
    submit_sop_plan(plan.pk, actor=plan.author)
    reviewer = UserFactory(enterprise=plan.enterprise, role=Role.REVIEWER)
    return approve_sop_plan(plan.pk, actor=reviewer)


def chats_for(plan, count=2, **values):
    community = CommunityFactory(enterprise=plan.enterprise)
    return [
        GroupChatFactory(
            enterprise=plan.enterprise,
            community=community,
            channel_account=plan.channel_account,
            owner=StaffFactory(enterprise=plan.enterprise),
            **values,
        )
        for _ in range(count)
    ]


def enrolled(plan, chats, **values):
    enrol_chats(plan.pk, chats=chats, actor=plan.author, **values)
    return list(SopEnrolment.objects.filter(plan=plan).order_by("chat"))


def due_now(**tasks):
    """What is planned has been due for a minute."""
    return SopTask.objects.filter(**tasks).update(due_at=database_now() - timedelta(minutes=1))
