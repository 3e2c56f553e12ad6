"""When a broadcast runs. The row that is due is the schedule; nothing waits in a broker."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import AudienceEmpty, ChannelIsOff, ScheduleIsOver, TimeIsGiven, TimeIsPast
from campaigns.models import Broadcast, Run, Schedule
from campaigns.rules.schedule import Judged, Verdict, judge_slots
from campaigns.rules.schedules import BY_FACT, DayRule
from campaigns.rules.status import BroadcastStatus, MisfirePolicy
from campaigns.selectors.audience import is_empty
from campaigns.selectors.calendar import schedule_of, times_after
from campaigns.services.approving import refuse_changed, void_if_changed
from campaigns.services.freezing import begin_run, cancel_early
from campaigns.services.missed import ask_about, note_skipped
from campaigns.services.moving import locked_broadcast, move_broadcast
from campaigns.services.occasions import has_waiting, note_occasions, take_occasions
from campaigns.services.schedules import conclude_schedule, has_sent, refuse_unfit_schedule
from campaigns.signals import broadcast_started
from scrm.accounts.models import User
from scrm.shared.clock import database_now

logger = logging.getLogger(__name__)

SWEEP_LIMIT = 100
#: Occurrences of one broadcast that one transaction looks at; the rest comes with the next.
SLOTS_AT_ONCE = 200
#: A recurring broadcast that is behind begins so many runs in one sweep.
RUNS_AT_ONCE = 20
MOMENT = timedelta(microseconds=1)


@transaction.atomic
def schedule_broadcast(
    broadcast_id: int, *, actor: User, scheduled_at: datetime | None = None
) -> Broadcast:
    """At a time to come, or without one as soon as possible. One with a schedule begins at the
    first time that the schedule gives."""
    broadcast = locked_broadcast(broadcast_id)
    now = database_now()
    if scheduled_at is not None and scheduled_at <= now:
        raise TimeIsPast(_("计划时间已经过去，请选择将来的时间。"))
    if not broadcast.channel_account.is_active:
        name = broadcast.channel_account.name
        raise ChannelIsOff(_("渠道账号“%(name)s”已停用。") % {"name": name})
    refuse_changed(broadcast)
    schedule = schedule_of(broadcast)
    if schedule is not None:
        scheduled_at = _first_time(broadcast, schedule, now, asked_for=scheduled_at)
    move_broadcast(
        broadcast,
        BroadcastStatus.SCHEDULED,
        verb="schedule_broadcast",
        actor=actor,
        scheduled_at=scheduled_at or now,
    )
    if is_empty(broadcast, as_of=now):
        raise AudienceEmpty(_("没有符合条件的收件人，请检查社群和人群条件。"))
    return broadcast


def _first_time(
    broadcast: Broadcast, schedule: Schedule, now: datetime, *, asked_for: datetime | None
) -> datetime:
    if asked_for is not None:
        raise TimeIsGiven(_("这条群发按排期重复，时间由排期决定，不能另外指定。"))
    refuse_unfit_schedule(broadcast, schedule)
    times = times_after(broadcast, schedule, now)
    if not times:
        raise ScheduleIsOver(_("这个排期以后不会再发生，请退回草稿修改排期。"))
    schedule.looked_through = None  # what happened before is not looked for
    schedule.save(update_fields=["looked_through"])
    return times[0]


@transaction.atomic
def unschedule_broadcast(broadcast_id: int, *, actor: User) -> Broadcast:
    return move_broadcast(
        locked_broadcast(broadcast_id),
        BroadcastStatus.APPROVED,
        verb="unschedule_broadcast",
        actor=actor,
        scheduled_at=None,
    )


def start_due_broadcasts() -> list[int]:
    """Begin what is due; returns the runs begun. Any number of these at once begin each once."""
    due = Broadcast.objects.due(database_now()).order_by("scheduled_at", "pk")
    begun: list[int] = []
    for broadcast_id in due.values_list("pk", flat=True)[:SWEEP_LIMIT]:
        try:
            begun += _start_what_is_due(broadcast_id)
        except Exception:  # one that cannot begin does not keep the others waiting
            logger.exception("A broadcast cannot begin.", extra={"broadcast_id": broadcast_id})
    return begun


def _start_what_is_due(broadcast_id: int) -> list[int]:
    begun: list[int] = []
    while len(begun) < RUNS_AT_ONCE and (run := start_broadcast(broadcast_id)) is not None:
        begun.append(run.pk)
    return begun


@transaction.atomic
def start_broadcast(broadcast_id: int) -> Run | None:
    """Begin the first occurrence that is due and may still begin; note those that were missed."""
    now = database_now()
    broadcast = (
        Broadcast.objects.due(now)
        .select_for_update(no_key=True, skip_locked=True)
        .filter(pk=broadcast_id)
        .first()
    )
    if broadcast is None or broadcast.scheduled_at is None:
        return None  # somebody else has begun it, or it was taken back
    if void_if_changed(broadcast):
        return None
    schedule = schedule_of(broadcast)
    slots = _due_slots(broadcast, schedule, now)
    judged = judge_slots(
        slots,
        now=now,
        policy=broadcast.misfire_policy,
        grace=timedelta(minutes=broadcast.misfire_grace_minutes),
        is_complete=len(slots) < SLOTS_AT_ONCE,
    )
    run = _begin(broadcast, schedule, judged)
    _pass_on(broadcast, schedule, judged, slots, run=run)
    return run


def _due_slots(broadcast: Broadcast, schedule: Schedule | None, now: datetime) -> list[datetime]:
    """Its occurrences up to now, the earliest first. A time that was fixed before the calendar
    changed is no longer one."""
    fixed = broadcast.scheduled_at
    assert fixed is not None
    if schedule is None:
        return [fixed]
    if schedule.day_rule != DayRule.ANY:
        return times_after(broadcast, schedule, fixed - MOMENT, count=SLOTS_AT_ONCE, until=now)
    later = times_after(broadcast, schedule, fixed, count=SLOTS_AT_ONCE - 1, counted=1, until=now)
    return [fixed, *later]


def _begin(broadcast: Broadcast, schedule: Schedule | None, judged: Sequence[Judged]) -> Run | None:
    """Write down what was missed, and make the run of what is on time."""
    note_skipped(broadcast, [one for one in judged if one.verdict == Verdict.SKIP])
    last = judged[-1] if judged else None
    if last is None or last.verdict == Verdict.SKIP:
        return None
    if Run.objects.filter(broadcast=broadcast, planned_for=last.slot).exists():
        return None  # the occurrence has its run
    if last.verdict == Verdict.ASK:
        ask_about(broadcast, last)
        return None
    if schedule is None or schedule.kind not in BY_FACT:
        return begin_run(broadcast, planned_for=last.slot)
    note_occasions(broadcast, schedule, now=database_now())
    if not has_waiting(broadcast):
        return None
    run = begin_run(broadcast, planned_for=last.slot)
    take_occasions(run)
    return run


def _pass_on(
    broadcast: Broadcast,
    schedule: Schedule | None,
    judged: Sequence[Judged],
    slots: Sequence[datetime],
    *,
    run: Run | None,
) -> None:
    """To the next occurrence, or to the end."""
    following = _following(broadcast, schedule, judged, slots, run=run)
    if run is not None:
        _note_start(broadcast, run, following=following)
    elif following is not None or broadcast.status == BroadcastStatus.RUNNING:
        broadcast.scheduled_at = following
        broadcast.save(update_fields=["scheduled_at"])
    elif schedule is None or (judged[-1:] and judged[-1].verdict != Verdict.RUN):
        _note_missed(broadcast, judged[-1])
    else:
        conclude_schedule(broadcast, actor=None)


def _following(
    broadcast: Broadcast,
    schedule: Schedule | None,
    judged: Sequence[Judged],
    slots: Sequence[datetime],
    *,
    run: Run | None,
) -> datetime | None:
    """The next time, after counting what has happened. That facts were looked for and none found
    is no occurrence."""
    if schedule is None:
        return None
    looked_in_vain = (
        schedule.kind in BY_FACT
        and run is None
        and judged[-1:]
        and judged[-1].verdict == Verdict.RUN
    )
    schedule.occurrence_count += len(judged) - bool(looked_in_vain)
    schedule.save(update_fields=["occurrence_count"])
    if len(slots) > len(judged):
        return slots[len(judged)]
    assert broadcast.scheduled_at is not None
    last = judged[-1].slot if judged else broadcast.scheduled_at
    return next(iter(times_after(broadcast, schedule, last)), None)


def _note_start(broadcast: Broadcast, run: Run, *, following: datetime | None) -> None:
    if broadcast.status == BroadcastStatus.RUNNING:
        broadcast.scheduled_at = following
        broadcast.save(update_fields=["scheduled_at"])
    else:
        move_broadcast(
            broadcast,
            BroadcastStatus.RUNNING,
            verb="start_broadcast",
            actor=None,
            scheduled_at=following,
        )
    broadcast_started.send(sender=Broadcast, broadcast_id=broadcast.pk, run_id=run.pk)
    logger.info("A broadcast has begun.", extra={"broadcast_id": broadcast.pk, "run_id": run.pk})


def _note_missed(broadcast: Broadcast, judged: Judged) -> None:
    """Nothing more is to come, and the last was missed."""
    if judged.verdict == Verdict.ASK:
        becomes, scheduled_at = BroadcastStatus.PAUSED, None
    elif broadcast.misfire_policy == MisfirePolicy.SKIP:
        becomes, scheduled_at = BroadcastStatus.CANCELLED, broadcast.scheduled_at
    else:
        becomes, scheduled_at = BroadcastStatus.FAILED, broadcast.scheduled_at
    if becomes != BroadcastStatus.PAUSED and has_sent(broadcast):
        becomes, scheduled_at = BroadcastStatus.COMPLETED, None
    move_broadcast(
        broadcast,
        becomes,
        verb="miss_broadcast",
        actor=None,
        status_reason=judged.reason,
        scheduled_at=scheduled_at,
    )
    if becomes != BroadcastStatus.PAUSED:
        cancel_early(broadcast)
    logger.warning("A broadcast missed its time.", extra={"broadcast_id": broadcast.pk})
