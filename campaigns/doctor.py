"""What the self-check asks about sending: is anything due that nobody has begun?"""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext as _

from campaigns.models import Broadcast, WelcomeDelivery
from campaigns.rules.status import OPEN_WELCOME
from scrm.shared.clock import database_now
from scrm.shared.diagnosis import Finding, check, failed, fine

LATE_AFTER = timedelta(minutes=2)  # the sweeps run every few seconds


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
