"""Doors of what is sent: judged, halted, confirmed, tried again; they belong to campaigns."""

from datetime import timedelta

from django.utils import timezone

from campaigns.models import Approval, Delivery, Dispatch, Run
from campaigns.rules.guarding import Decision
from campaigns.rules.status import (
    BroadcastStatus,
    BroadcastTarget,
    DeliveryStatus,
    DispatchStatus,
    RunStatus,
)
from scrm.accounts.rules.roles import Role
from tests.campaigns.broadcasts import BroadcastFactory
from tests.communities.factories import GroupChatFactory
from tests.isolation import Call

REASON = {"reason": "先等一等"}


def build(world):
    world.rows["halted broadcast"] = sent(
        world, BroadcastStatus.HALTED, status_reason=f"{world.mark}退群过多"
    )
    Run.objects.create(
        broadcast=world.rows["halted broadcast"],
        planned_for=timezone.now(),
        status=RunStatus.SENDING,
    )
    world.rows["recurring broadcast"] = world.rows["running schedule"].broadcast
    Approval.objects.create(
        broadcast=world.rows["broadcast in review"],
        user=world.users[Role.REVIEWER],
        decision=Decision.REJECTED,
        note=f"{world.mark}说明",
        shown={},
    )
    build_failed(world)
    build_awaiting(world)


def sent(world, status, **values):
    return BroadcastFactory(
        **{
            "author": world.users[Role.OPERATOR],
            "communities": [world.rows["community"]],
            "channel_account": world.rows["channel account"],
            "name": f"{world.mark}{status.value}",
            "status": status,
            "approved_by": world.users[Role.REVIEWER],
            **values,
        }
    )


def build_failed(world):
    """A run whose only recipient was not reached."""
    broadcast = sent(world, BroadcastStatus.FAILED)
    run = world.rows["failed run"] = Run.objects.create(
        broadcast=broadcast,
        planned_for=timezone.now(),
        status=RunStatus.FINISHED,
        recipient_count=1,
        dispatch_count=1,
    )
    member = world.rows["member"]
    Dispatch.objects.create(
        run=run, sequence=0, recipient_ids=[member.pk], status=DispatchStatus.DONE, failed_count=1
    )
    Delivery.objects.create(
        run=run, recipient_id=member.pk, status=DeliveryStatus.FAILED, reason="no_answer"
    )


def build_awaiting(world):
    """A task on the platform that its owner has not confirmed."""
    account = world.rows["wecom connection"].account
    chat = GroupChatFactory(
        enterprise=world.enterprise,
        community=world.rows["community"],
        channel_account=account,
        name=f"{world.mark}待确认群",
    )
    broadcast = sent(
        world,
        BroadcastStatus.RUNNING,
        channel_account=account,
        target=BroadcastTarget.CHATS,
        body="各位好",
    )
    run = world.rows["awaiting run"] = Run.objects.create(
        broadcast=broadcast,
        planned_for=timezone.now(),
        status=RunStatus.SENDING,
        recipient_count=1,
        dispatch_count=1,
    )
    world.rows["dispatch"] = Dispatch.objects.create(
        run=run,
        sequence=0,
        recipient_ids=[chat.pk],
        status=DispatchStatus.AWAITING,
        sender=f"{world.mark}owner",
        awaiting_count=1,
        remote_id=f"{world.mark}task",
        submitted_at=timezone.now() - timedelta(hours=1),
    )
    Delivery.objects.create(run=run, recipient_id=chat.pk, status=DeliveryStatus.AWAITING_OWNER)


API = {
    "broadcast-checks": {"get": Call(row="draft")},
    "broadcast-approvals": {"get": Call(row="broadcast in review")},
    "broadcast-reject": {"post": Call(row="broadcast in review", body=lambda w: REASON)},
    "broadcast-halt": {"post": Call(row="running broadcast", body=lambda w: REASON)},
    "broadcast-release": {"post": Call(row="halted broadcast", body=lambda w: REASON)},
    "run-reasons": {"get": Call(row="failed run")},
    "run-retry": {"post": Call(row="failed run", body=lambda w: {"reasons": ["no_answer"]})},
    "run-remind": {"post": Call(row="awaiting run")},
    "run-run-missed": {"post": Call(row="missed run")},
    "run-skip-missed": {"post": Call(row="missed run")},
    "dispatch-list": {"get": Call()},
    "dispatch-detail": {"get": Call(row="dispatch")},
    "dispatch-remind": {"post": Call(row="dispatch")},
    "dispatch-stop": {"post": Call(row="dispatch")},
}

ADMIN = {"campaigns.dispatch": "dispatch"}

ADMIN_URLS = {
    "campaigns_broadcast_planned": Call(),
    "campaigns_broadcast_reject": Call(row="broadcast in review", body=lambda w: REASON),
    "campaigns_broadcast_release": Call(row="halted broadcast", body=lambda w: REASON),
    "campaigns_broadcast_halt": Call(row="running broadcast", body=lambda w: REASON),
    "campaigns_broadcast_end_schedule": Call(row="recurring broadcast"),
    "campaigns_run_retry": Call(row="failed run", body=lambda w: {"reasons": ["no_answer"]}),
    "campaigns_run_remind": Call(row="awaiting run"),
    "campaigns_run_run_missed": Call(row="missed run"),
    "campaigns_run_skip_missed": Call(row="missed run"),
    "campaigns_dispatch_remind": Call(row="dispatch"),
    "campaigns_dispatch_stop": Call(row="dispatch"),
}
