"""What an enterprise knows better about working days than the calendar that we ship."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import DayTaken
from campaigns.models import Broadcast, HolidayOverride, Schedule
from campaigns.rules.schedules import DayRule
from campaigns.rules.status import AWAITING_TIME, BroadcastStatus
from campaigns.selectors.calendar import times_after
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.clock import database_now
from scrm.shared.errors import refusing

FIELDS = ("day", "is_working_day", "name")
WAITING = (*sorted(AWAITING_TIME), BroadcastStatus.PAUSED)


@transaction.atomic
def add_holiday(*, actor: User, day: date, is_working_day: bool, name: str = "") -> HolidayOverride:
    """A day on which the enterprise works, or does not, whatever others do."""
    override = HolidayOverride(
        enterprise_id=actor.enterprise_id, day=day, is_working_day=is_working_day, name=name
    )
    taken = DayTaken(_("这一天已有调整，请修改它。"))
    with refusing(taken, constraint="one_override_per_day"):
        override.save(force_insert=True)
    record_audit(actor, verb="set_holiday", subject=override, after=snapshot(override, FIELDS))
    replan(actor.enterprise_id)
    return override


@transaction.atomic
def edit_holiday(
    override_id: int, *, actor: User, is_working_day: bool | None = None, name: str | None = None
) -> HolidayOverride:
    override = HolidayOverride.objects.select_for_update(no_key=True).get(pk=override_id)
    before = snapshot(override, FIELDS)
    if is_working_day is not None:
        override.is_working_day = is_working_day
    if name is not None:
        override.name = name
    after = snapshot(override, FIELDS)
    if after == before:
        return override
    override.save(update_fields=["is_working_day", "name"])
    record_audit(actor, verb="set_holiday", subject=override, before=before, after=after)
    replan(override.enterprise_id)
    return override


@transaction.atomic
def remove_holiday(override_id: int, *, actor: User) -> None:
    """From then on the day is what the shipped calendar says."""
    override = HolidayOverride.objects.select_for_update(no_key=True).get(pk=override_id)
    before = snapshot(override, FIELDS)
    record_audit(actor, verb="remove_holiday", subject=override, before=before)
    override.delete()
    replan(override.enterprise_id)


def replan(enterprise_id: int) -> None:
    """The next time of every broadcast that looks at working days, by the calendar as it is now.

    What is due already stays: it begins, or is found to be no longer planned, in a moment.
    """
    now = database_now()
    looking = Schedule.objects.exclude(day_rule=DayRule.ANY).values("broadcast")
    waiting = Broadcast.objects.filter(
        enterprise=enterprise_id, status__in=WAITING, scheduled_at__gt=now, pk__in=looking
    )
    for broadcast in waiting.order_by("pk").select_for_update(no_key=True, of=("self",)):
        times = times_after(broadcast, broadcast.schedule, now)
        if times and times[0] != broadcast.scheduled_at:
            broadcast.scheduled_at = times[0]
            broadcast.save(update_fields=["scheduled_at"])
