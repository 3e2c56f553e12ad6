"""What the self-check asks about sending: is anything due that nobody has begun?"""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext as _

from campaigns.models import Broadcast, Schedule, WelcomeDelivery
from campaigns.rules.schedules import DayRule
from campaigns.rules.status import OPEN_WELCOME, BroadcastStatus
from campaigns.selectors.calendar import calendar_of
from scrm.shared.clock import database_now
from scrm.shared.diagnosis import Finding, check, failed, fine, warning

LATE_AFTER = timedelta(minutes=2)  # the sweeps run every few seconds
OVER = (
    BroadcastStatus.COMPLETED,
    BroadcastStatus.PARTIALLY_COMPLETED,
    BroadcastStatus.FAILED,
    BroadcastStatus.CANCELLED,
)
ANNOUNCED_BEFORE = timedelta(days=31)  # the year's make-up days are known by then


@check("broadcasts")
def broadcasts_start_on_time() -> Finding:
    title = _("群发排期")
    now = database_now()
    late = Broadcast.objects.due(now - LATE_AFTER).order_by("scheduled_at", "pk").first()
    if late is None or late.scheduled_at is None:
        return fine(title, _("没有过期未开始的"))
    minutes = (now - late.scheduled_at).total_seconds() // 60
    detail = _("群发 #%(id)d 过期 %(minutes)d 分钟还没开始") % {"id": late.pk, "minutes": minutes}
    return failed(title, detail, fix=_("确认 beat 和 worker 在运行：make up"))


@check("working_days")
def working_days_are_known() -> Finding:
    """Whoever sends on working days needs next year's make-up days, announced late in this one."""
    title = _("工作日日历")
    now = database_now()
    looking = Schedule.objects.exclude(day_rule=DayRule.ANY).exclude(broadcast__status__in=OVER)
    enterprises = looking.order_by().values_list("broadcast__enterprise", flat=True).distinct()
    year = (now + ANNOUNCED_BEFORE).year
    unknown = [pk for pk in enterprises if not calendar_of(pk).knows(year)]
    if not unknown:
        return fine(title, _("%(year)d 年的调休已知，或没有按工作日的排期") % {"year": year})
    detail = _("不知道 %(year)d 年的调休，按工作日排期的群发暂按周末和法定节日计算") % {
        "year": year
    }
    fix = _("升级软件包 holidays，或在“节假日调整”里写入 %(year)d 年的调休") % {"year": year}
    return warning(title, detail, fix=fix)


@check("welcomes")
def welcomes_go_out() -> Finding:
    title = _("欢迎语发送")
    late = WelcomeDelivery.objects.filter(
        status__in=OPEN_WELCOME, due_at__lt=database_now() - LATE_AFTER
    ).count()
    if not late:
        return fine(title, _("没有积压"))
    return failed(
        title,
        _("%(count)d 条到时间还没发") % {"count": late},
        fix=_("确认 beat 和 worker 在运行：make up"),
    )
