"""Giving a broadcast a schedule, while it is a draft, and ending one before its time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, TypedDict, Unpack
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import (
    BadSchedule,
    BadScheduleEnd,
    BadScheduleFestivals,
    BadScheduleLocalTime,
    BadScheduleMaxCount,
    BadScheduleMemberDay,
    BadScheduleOffset,
    BadScheduleRrule,
    BadScheduleSilentDays,
    BadScheduleTier,
    BadScheduleTimeZone,
    CannotEdit,
    CannotMove,
    NoSchedule,
    ScheduleDoesNotFit,
)
from campaigns.models import Broadcast, Run, Schedule
from campaigns.rules.recurrence import rrule_trouble
from campaigns.rules.schedules import BY_FACT, Festival, ScheduleKind, schedule_facts
from campaigns.rules.status import BroadcastStatus, BroadcastTarget, FreezeAt, RunStatus
from campaigns.selectors.calendar import SHOWN, schedule_of, times_after, unknown_years
from campaigns.services.moving import locked_broadcast, move_broadcast
from communities.models import Tier
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.clock import database_now

FARTHEST_OFFSET = 60
LONGEST_SILENCE = 365
LAST_DAY = 31

#: What belongs to a kind alone; of the others it is emptied.
OWN: dict[str, dict[str, Any]] = {
    ScheduleKind.RECURRING: {"rrule": ""},
    ScheduleKind.FESTIVAL: {"festivals": []},
    ScheduleKind.MEMBER_DAY: {"member_day": None},
    ScheduleKind.TIER_REACHED: {"tier": None},
    ScheduleKind.SILENT: {"silent_days": None},
}
HAS_OFFSET = (ScheduleKind.FESTIVAL, ScheduleKind.MEMBER_DAY, ScheduleKind.BIRTHDAY)


class ScheduleRule(TypedDict, total=False):
    """What can be written about a schedule."""

    kind: str
    time_zone: str
    local_time: time
    rrule: str
    festivals: list[str]
    day_offset: int
    member_day: int | None
    day_rule: str
    tier: Tier | None
    silent_days: int | None
    starts_on: date | None
    ends_on: date | None
    max_count: int | None


@dataclass(frozen=True, slots=True)
class Preview:
    """The next times, and the years among them whose make-up days nobody has told us yet."""

    next_times: list[datetime]
    unknown_years: list[int]


@transaction.atomic
def set_schedule(broadcast_id: int, *, actor: User, **rule: Unpack[ScheduleRule]) -> Schedule:
    """Of a draft: written anew, or changed where there is one already."""
    broadcast = _locked_draft(broadcast_id)
    schedule = schedule_of(broadcast)
    before = schedule_facts(schedule)
    schedule = written(broadcast, schedule, rule)
    refuse_unfit_schedule(broadcast, schedule)
    if not preview_times(broadcast, schedule, count=1):
        raise BadSchedule(_("这个排期一次也不会发生，请检查规则和起止日期。"))
    schedule.save()
    _note_edit(broadcast, actor, "set_schedule", before, schedule_facts(schedule))
    return schedule


def preview_schedule(*, actor: User, **rule: Unpack[ScheduleRule]) -> Preview:
    """When such a schedule would begin, from now on; nothing is written."""
    broadcast = Broadcast(enterprise_id=actor.enterprise_id)
    schedule = written(broadcast, None, rule)
    times = preview_times(broadcast, schedule)
    return Preview(times, unknown_years(broadcast, times, schedule))


@transaction.atomic
def clear_schedule(broadcast_id: int, *, actor: User) -> Broadcast:
    """The draft runs once, at the time given when it is scheduled."""
    broadcast = _locked_draft(broadcast_id)
    schedule = schedule_of(broadcast)
    if schedule is None:
        return broadcast
    before = schedule_facts(schedule)
    schedule.delete()
    _note_edit(broadcast, actor, "clear_schedule", before, {})
    return broadcast


@transaction.atomic
def end_schedule(broadcast_id: int, *, actor: User) -> Broadcast:
    """Of one that is scheduled or runs: nothing more begins; what has begun goes on."""
    broadcast = locked_broadcast(broadcast_id)
    if schedule_of(broadcast) is None:
        raise NoSchedule(_("这条群发只发一次，没有排期可以结束。"))
    if broadcast.status == BroadcastStatus.SCHEDULED:
        return conclude_schedule(broadcast, actor=actor)
    if broadcast.status != BroadcastStatus.RUNNING:
        raise CannotMove(_("只有已排期或发送中的群发可以结束排期。"))
    before = {"scheduled_at": broadcast.scheduled_at and broadcast.scheduled_at.isoformat()}
    broadcast.scheduled_at = None
    broadcast.save(update_fields=["scheduled_at"])
    after = {"scheduled_at": None}
    record_audit(actor, verb="end_schedule", subject=broadcast, before=before, after=after)
    return broadcast


def conclude_schedule(broadcast: Broadcast, *, actor: User | None) -> Broadcast:
    """A locked broadcast that waits for a next time has none: it is over."""
    sent = has_sent(broadcast)
    return move_broadcast(
        broadcast,
        BroadcastStatus.COMPLETED if sent else BroadcastStatus.CANCELLED,
        verb="end_schedule",
        actor=actor,
        status_reason="" if sent else _("排期结束，一次也没有发送。"),
        scheduled_at=None,
    )


def has_sent(broadcast: Broadcast) -> bool:
    return Run.objects.filter(broadcast=broadcast, status=RunStatus.FINISHED).exists()


def written(broadcast: Broadcast, schedule: Schedule | None, rule: ScheduleRule) -> Schedule:
    """The schedule with what is given, refused where no calendar could follow it. Not saved."""
    if schedule is None:
        schedule = Schedule(broadcast=broadcast, time_zone=broadcast.enterprise.time_zone)
    for name, value in rule.items():
        setattr(schedule, name, value)
    for kind, own in OWN.items():
        if kind != schedule.kind:
            for name, empty in own.items():
                setattr(schedule, name, empty)
    _refuse_bad_frame(schedule)
    _refuse_bad_kind(broadcast, schedule)
    if schedule.kind == ScheduleKind.RECURRING and schedule.starts_on is None:
        zone = ZoneInfo(schedule.time_zone)
        schedule.starts_on = database_now().astimezone(zone).date()  # what every other week is from
    return schedule


def preview_times(
    broadcast: Broadcast, schedule: Schedule, *, count: int = SHOWN
) -> list[datetime]:
    """When it would begin next, from now on."""
    return times_after(broadcast, schedule, database_now(), count=count)


def refuse_unfit_schedule(broadcast: Broadcast, schedule: Schedule) -> None:
    """What contents and schedule together do not allow, whichever was written last."""
    if schedule.kind in BY_FACT and broadcast.target != BroadcastTarget.MEMBERS:
        raise ScheduleDoesNotFit(_("按成员的事实触发的群发只能发给成员。"))
    if broadcast.freeze_at == FreezeAt.APPROVAL:
        raise ScheduleDoesNotFit(_("重复的群发每次都重新确定名单，请改为开始发送时锁定名单。"))


def refuse_misfit(broadcast: Broadcast) -> None:
    """The same of the schedule that it has, if any."""
    schedule = schedule_of(broadcast)
    if schedule is not None:
        refuse_unfit_schedule(broadcast, schedule)


def _locked_draft(broadcast_id: int) -> Broadcast:
    broadcast = locked_broadcast(broadcast_id)
    if broadcast.status != BroadcastStatus.DRAFT:
        raise CannotEdit(
            _("“%(status)s”的群发不能修改，请先退回草稿。")
            % {"status": broadcast.get_status_display()}
        )
    return broadcast


def _note_edit(
    broadcast: Broadcast,
    actor: User,
    verb: str,
    before: dict[str, object],
    after: dict[str, object],
) -> None:
    broadcast.last_editor = actor
    broadcast.save(update_fields=["last_editor"])
    record_audit(actor, verb=verb, subject=broadcast, before=before, after=after)


def _refuse_bad_frame(schedule: Schedule) -> None:
    if schedule.kind not in ScheduleKind.values:
        raise BadSchedule(_("未知的排期方式。"))
    if schedule.local_time is None:
        raise BadScheduleLocalTime(_("请填写几点发送。"))
    try:
        ZoneInfo(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadScheduleTimeZone(_("未知的时区，例如 Asia/Shanghai。")) from None
    starts, ends = schedule.starts_on, schedule.ends_on
    if starts is not None and ends is not None and ends < starts:
        raise BadScheduleEnd(_("结束日期不能早于开始日期。"))
    if schedule.max_count is not None and schedule.max_count < 1:
        raise BadScheduleMaxCount(_("最多几次至少是 1。"))
    if schedule.kind not in HAS_OFFSET:
        schedule.day_offset = 0
    if abs(schedule.day_offset) > FARTHEST_OFFSET:
        words = _("最多提前或推后 %(days)d 天。") % {"days": FARTHEST_OFFSET}
        raise BadScheduleOffset(words)


def _refuse_bad_kind(broadcast: Broadcast, schedule: Schedule) -> None:
    kind = schedule.kind
    if kind == ScheduleKind.RECURRING and (trouble := rrule_trouble(schedule.rrule)):
        raise BadScheduleRrule(trouble)
    chosen = set(schedule.festivals)
    if kind == ScheduleKind.FESTIVAL and not (chosen and chosen <= set(Festival.values)):
        raise BadScheduleFestivals(_("请选择节日。"))
    if kind == ScheduleKind.MEMBER_DAY and not 1 <= (schedule.member_day or 0) <= LAST_DAY:
        raise BadScheduleMemberDay(_("会员日是 1 到 31 号。"))
    if kind == ScheduleKind.SILENT and not 1 <= (schedule.silent_days or 0) <= LONGEST_SILENCE:
        raise BadScheduleSilentDays(_("沉默天数是 1 到 365。"))
    if kind == ScheduleKind.TIER_REACHED:
        tier = schedule.tier
        if tier is None or tier.scheme.enterprise_id != broadcast.enterprise_id:
            raise BadScheduleTier(_("请选择层级。"))
