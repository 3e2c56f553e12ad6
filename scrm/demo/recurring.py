"""What comes again: every week, with the festivals, on birthdays; and one time that was missed."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from campaigns.models import Broadcast
from campaigns.rules.schedules import Festival, ScheduleKind
from campaigns.services.schedules import set_schedule
from campaigns.services.scheduling import start_broadcast
from scrm.demo.contents import BIRTHDAY, GREETING, WEEKLY
from scrm.demo.founding import Founded
from scrm.demo.sending import compose, finished, scheduled

ANSWERED_IN = ("golden", "corgi", "british", "ragdoll")
WEEKS = 2
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
TRADITIONAL = (
    Festival.LABA,
    Festival.LITTLE_NEW_YEAR,
    Festival.SPRING_FESTIVAL_EVE,
    Festival.LANTERN,
    Festival.QINGMING,
    Festival.DRAGON_BOAT,
    Festival.QIXI,
    Festival.MID_AUTUMN,
    Festival.DOUBLE_NINTH,
    Festival.WINTER_SOLSTICE,
)


def come_back_again(founded: Founded) -> None:
    come_every_week(founded)
    greet_at_festivals(founded)
    greet_on_birthdays(founded)


def weekly(at: datetime) -> str:
    return f"FREQ=WEEKLY;BYDAY={DAYS[at.weekday()]}"


def come_every_week(founded: Founded) -> None:
    """Nobody was there to send yesterday's, so somebody has to say what becomes of it."""
    missed = (founded.now - timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)
    broadcast = compose(founded, WEEKLY, *ANSWERED_IN)
    set_schedule(
        broadcast.pk,
        actor=founded.users["yunying"],
        kind=ScheduleKind.RECURRING,
        local_time=missed.time(),
        rrule=weekly(missed),
    )
    broadcast = scheduled(founded, broadcast)
    for week in range(WEEKS, 0, -1):
        finished(broadcast, at=missed - timedelta(weeks=week))
    Broadcast.objects.filter(pk=broadcast.pk).update(scheduled_at=missed)
    start_broadcast(broadcast.pk)


def greet_at_festivals(founded: Founded) -> None:
    broadcast = compose(founded, GREETING, "planet")
    set_schedule(
        broadcast.pk,
        actor=founded.users["yunying"],
        kind=ScheduleKind.FESTIVAL,
        festivals=[str(festival) for festival in TRADITIONAL],
        local_time=time(9),
        starts_on=founded.now.date() + timedelta(days=1),
    )
    scheduled(founded, broadcast)


def greet_on_birthdays(founded: Founded) -> None:
    broadcast = compose(founded, BIRTHDAY, "planet")
    set_schedule(
        broadcast.pk,
        actor=founded.users["yunying"],
        kind=ScheduleKind.BIRTHDAY,
        local_time=time(10),
        starts_on=founded.now.date() + timedelta(days=1),
    )
    scheduled(founded, broadcast)
