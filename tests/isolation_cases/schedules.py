"""Schedules of broadcasts, missed occurrences and the days an enterprise knows better."""

from datetime import date, time, timedelta

from django.utils import timezone

from campaigns.models import HolidayOverride, Run, Schedule
from campaigns.rules.schedules import ScheduleKind
from campaigns.rules.status import BroadcastStatus, RunStatus
from scrm.accounts.rules.roles import Role
from tests.campaigns.broadcasts import BroadcastFactory
from tests.isolation import Call

DAILY = {"kind": "recurring", "rrule": "FREQ=DAILY", "local_time": "10:00"}


def build(world):
    world.rows["schedule"] = scheduled(world, "draft")
    world.rows["running schedule"] = scheduled(
        world,
        "scheduled",
        approved_by=world.users[Role.REVIEWER],
        scheduled_at=timezone.now() + timedelta(hours=1),
    )
    world.rows["holiday"] = HolidayOverride.objects.create(
        enterprise=world.enterprise,
        day=date(2031, 5, 4),
        is_working_day=True,
        name=f"{world.mark}调休",
    )
    world.rows["missed run"] = Run.objects.create(
        broadcast=world.rows["running schedule"].broadcast,
        planned_for=timezone.now() - timedelta(hours=5),
        status=RunStatus.ASKED,
        status_reason=f"{world.mark}错过",
    )


def scheduled(world, status, **values):
    broadcast = BroadcastFactory(
        author=world.users[Role.OPERATOR],
        communities=[world.rows["community"]],
        channel_account=world.rows["channel account"],
        name=f"{world.mark}每天 {status}",
        body="你好，{{昵称}}",
        status=BroadcastStatus(status),
        **values,
    )
    return Schedule.objects.create(
        broadcast=broadcast,
        kind=ScheduleKind.RECURRING,
        rrule="FREQ=DAILY",
        local_time=time(10),
        starts_on=date(2026, 1, 1),
    )


API = {
    "broadcast-schedule-list": {
        "get": Call(),
        "post": Call(body=lambda w: {**DAILY, "broadcast": w["draft"].pk}, answers=(201,)),
    },
    "broadcast-schedule-detail": {
        "get": Call(row="schedule"),
        "patch": Call(row="schedule", body=lambda w: {"rrule": "FREQ=WEEKLY"}),
        "delete": Call(row="schedule", answers=(204,)),
    },
    "broadcast-schedule-preview": {"post": Call(body=lambda w: DAILY)},
    "broadcast-schedule-end": {"post": Call(row="running schedule")},
    "holiday-override-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"day": "2031-05-05", "is_working_day": False}, answers=(201,)),
    },
    "holiday-override-detail": {
        "get": Call(row="holiday"),
        "patch": Call(row="holiday", body=lambda w: {"is_working_day": False}),
        "delete": Call(row="holiday", answers=(204,)),
    },
}

ADMIN = {"campaigns.schedule": "schedule", "campaigns.holidayoverride": "holiday"}

ADMIN_URLS = {"campaigns_schedule_end": Call(row="running schedule")}
