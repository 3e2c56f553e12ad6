from datetime import timedelta

from django.utils import timezone

from campaigns.models import (
    ContactWelcome,
    Delivery,
    Run,
    SandboxMessage,
    SegmentMember,
    WelcomeDelivery,
)
from campaigns.rules.status import BroadcastStatus, RunStatus
from scrm.accounts.rules.roles import Role
from tests.campaigns.broadcasts import BroadcastFactory, WelcomePolicyFactory
from tests.campaigns.factories import ChurnAlertFactory, SegmentFactory
from tests.isolation import Call
from tests.isolation_cases import (
    experiments,
    forecasts,
    insight_pages,
    library,
    policies,
    reports,
    schedules,
    sending,
    sop,
    winback,
)
from tests.members.factories import FollowFactory, MemberFactory


def build(world):
    build_broadcasts(world)
    build_alerts(world)
    build_segments(world)
    experiments.build(world)
    library.build(world)
    policies.build(world)
    reports.build(world)
    forecasts.build(world)
    insight_pages.build(world)
    schedules.build(world)
    sending.build(world)
    sop.build(world)
    winback.build(world)
    community, stay = world.rows["community"], world.rows["stay"]
    policy = WelcomePolicyFactory(community=community, body=f"{world.mark}欢迎{{{{昵称}}}}")
    world.rows["welcome policy"] = policy
    world.rows["welcome"] = WelcomeDelivery.objects.create(stay=stay, policy=policy)
    world.rows["contact welcome"] = ContactWelcome.objects.create(
        enterprise=world.enterprise,
        follow=FollowFactory(
            enterprise=world.enterprise,
            member=world.rows["member"],
            staff=world.rows["staff"],
            channel_account=world.rows["channel account"],
        ),
        policy=policy,
        code=f"{world.mark}凭证",
        occurred_at=timezone.now(),
        expires_at=timezone.now() + timedelta(seconds=20),
    )
    world.rows["sandbox message"] = SandboxMessage.objects.create(
        channel_account=world.rows["channel account"],
        key=f"{world.mark}-1",
        recipient_kind="member",
        recipient_ref="c-1",
        body=f"{world.mark}正文",
    )


def build_segments(world):
    world.rows["segment"] = SegmentFactory(
        enterprise=world.enterprise,
        code="mine",
        name=f"{world.mark}人群包",
        drawn_at=timezone.now(),
        member_count=1,
    )
    SegmentMember.objects.create(segment=world.rows["segment"], member=world.rows["member"])


def build_alerts(world):
    about = {
        "community": world.rows["community"],
        "assignee": world.rows["staff"],
        "note": f"{world.mark}备注",
    }
    world.rows["alert"] = ChurnAlertFactory(**about, member=world.rows["member"])
    stranger = MemberFactory(enterprise=world.enterprise, nickname=f"{world.mark}路人")
    world.rows["other alert"] = ChurnAlertFactory(**about, member=stranger)


def build_broadcasts(world):
    approved = {"approved_by": world.users[Role.REVIEWER], "approved_at": timezone.now()}
    soon = {"scheduled_at": timezone.now() + timedelta(hours=1)}
    for name, status, values in (
        ("draft", BroadcastStatus.DRAFT, {}),
        ("broadcast in review", BroadcastStatus.IN_REVIEW, {}),
        ("approved broadcast", BroadcastStatus.APPROVED, approved),
        ("scheduled broadcast", BroadcastStatus.SCHEDULED, {**approved, **soon}),
        ("running broadcast", BroadcastStatus.RUNNING, {**approved, **soon}),
        ("paused broadcast", BroadcastStatus.PAUSED, {**approved, **soon}),
    ):
        world.rows[name] = BroadcastFactory(
            author=world.users[Role.OPERATOR],
            communities=[world.rows["community"]],
            channel_account=world.rows["channel account"],
            name=f"{world.mark}{name}",
            body=f"{world.mark}你好，{{{{昵称}}}}",
            status=status,
            **values,
        )
    world.rows["run"] = Run.objects.create(
        broadcast=world.rows["running broadcast"],
        planned_for=timezone.now(),
        status=RunStatus.SENDING,
        recipient_count=1,
    )
    Delivery.objects.create(run=world.rows["run"], recipient_id=world.rows["member"].pk)


def new_broadcast(world):
    return {
        "name": "周末活动",
        "body": "你好，{{昵称}}",
        "communities": [world["community"].pk],
        "channel_account": world["channel account"].pk,
    }


API = {
    **experiments.API,
    **library.API,
    **policies.API,
    **reports.API,
    **forecasts.API,
    **sop.API,
    **schedules.API,
    **sending.API,
    **winback.API,
    "broadcast-list": {"get": Call(), "post": Call(body=new_broadcast, answers=(201,))},
    "broadcast-detail": {
        "get": Call(row="draft"),
        "patch": Call(row="draft", body=lambda w: {"communities": [w["community"].pk]}),
    },
    "broadcast-estimate": {"get": Call(row="draft")},
    "broadcast-submit": {"post": Call(row="draft")},
    "broadcast-approve": {"post": Call(row="broadcast in review")},
    "broadcast-return-to-draft": {"post": Call(row="broadcast in review")},
    "broadcast-schedule": {"post": Call(row="approved broadcast")},
    "broadcast-unschedule": {"post": Call(row="scheduled broadcast")},
    "broadcast-pause": {"post": Call(row="running broadcast")},
    "broadcast-resume": {"post": Call(row="paused broadcast")},
    "broadcast-cancel": {"post": Call(row="scheduled broadcast")},
    "run-list": {"get": Call()},
    "run-detail": {"get": Call(row="run")},
    "run-progress": {"get": Call(row="run")},
    "deliveries": {"get": Call(row="run")},
    "welcome-policy-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {"body": "欢迎", "community": w["closed community"].pk},
            answers=(201,),
        ),
    },
    "welcome-policy-detail": {
        "get": Call(row="welcome policy"),
        "patch": Call(row="welcome policy", body=lambda w: {"body": "欢迎{{昵称}}"}),
    },
    "welcome-delivery-list": {"get": Call()},
    "welcome-delivery-detail": {"get": Call(row="welcome")},
    "contact-welcome-list": {"get": Call()},
    "contact-welcome-detail": {"get": Call(row="contact welcome")},
    "segment-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"code": "new", "name": "新人群包"}, answers=(201,)),
    },
    "segment-detail": {
        "get": Call(row="segment"),
        "patch": Call(row="segment", body=lambda w: {"name": "改名"}),
    },
    "segment-draw": {"post": Call(row="segment")},
    "segment-members": {"get": Call(row="segment")},
    "churn-alert-list": {"get": Call()},
    "churn-alert-detail": {"get": Call(row="alert")},
    "churn-alert-acknowledge": {"post": Call(row="alert")},
    "churn-alert-intervene": {"post": Call(row="alert")},
    "churn-alert-dismiss": {"post": Call(row="alert", body=lambda w: {"reason": "已线下联系"})},
    "sandbox-message-list": {"get": Call()},
    "sandbox-message-detail": {"get": Call(row="sandbox message")},
}

ADMIN: dict[str, str | None] = {
    **experiments.ADMIN,
    **library.ADMIN,
    **policies.ADMIN,
    **reports.ADMIN,
    **insight_pages.ADMIN,
    **sop.ADMIN,
    **schedules.ADMIN,
    **sending.ADMIN,
    **winback.ADMIN,
    "campaigns.segment": "segment",
    "campaigns.churnalert": "alert",
    "campaigns.broadcast": "draft",
    "campaigns.run": "run",
    "campaigns.welcomepolicy": "welcome policy",
    "campaigns.welcomedelivery": "welcome",
    "campaigns.contactwelcome": "contact welcome",
    "campaigns.sandboxmessage": "sandbox message",
}

ADMIN_URLS = {
    **experiments.ADMIN_URLS,
    **library.ADMIN_URLS,
    **reports.ADMIN_URLS,
    **insight_pages.ADMIN_URLS,
    **sop.ADMIN_URLS,
    **schedules.ADMIN_URLS,
    **sending.ADMIN_URLS,
    **winback.ADMIN_URLS,
    "campaigns_segment_draw": Call(row="segment"),
    "campaigns_broadcast_submit": Call(row="draft"),
    "campaigns_broadcast_approve": Call(row="broadcast in review"),
    "campaigns_broadcast_return_to_draft": Call(row="broadcast in review"),
    "campaigns_broadcast_schedule": Call(row="approved broadcast"),
    "campaigns_broadcast_unschedule": Call(row="scheduled broadcast"),
    "campaigns_broadcast_pause": Call(row="running broadcast"),
    "campaigns_broadcast_resume": Call(row="paused broadcast"),
    "campaigns_broadcast_cancel": Call(row="scheduled broadcast"),
    "campaigns_churnalert_acknowledge": Call(row="alert"),
    "campaigns_churnalert_intervene": Call(row="alert"),
    "campaigns_churnalert_dismiss": Call(row="alert", body=lambda w: {"reason": "已线下联系"}),
}
