"""Broadcasts that recur, and ways to move the time at which they are due."""

from __future__ import annotations

from datetime import date, time

from campaigns.models import Broadcast, Schedule
from campaigns.rules.schedules import ScheduleKind
from campaigns.rules.status import BroadcastStatus
from tests.campaigns.broadcasts import due_broadcast

EVERY_HOUR = "FREQ=DAILY;BYHOUR=" + ",".join(map(str, range(24)))


def schedule_for(broadcast, *, kind=ScheduleKind.RECURRING, **values):
    rule = {"local_time": time(10), "starts_on": date(2020, 1, 1)}
    if kind == ScheduleKind.RECURRING:
        rule["rrule"] = "FREQ=DAILY"
    return Schedule.objects.create(broadcast=broadcast, kind=kind, **(rule | values))


def recurring_broadcast(*, scheduled_at, rule=None, **values):
    """Approved, and due to begin at that time by its schedule: daily at ten if nothing is said."""
    broadcast = due_broadcast(scheduled_at=scheduled_at, **values)
    schedule_for(broadcast, **(rule or {}))
    return broadcast


def approved(broadcast):
    Broadcast.objects.filter(pk=broadcast.pk).update(
        status=BroadcastStatus.APPROVED, scheduled_at=None
    )
    return broadcast
