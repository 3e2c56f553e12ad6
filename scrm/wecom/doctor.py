"""What the self-check asks about WeCom: do connections work, is the inbox worked on, is it read?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Max, Q
from django.utils.translation import gettext as _

from scrm.shared.clock import database_now
from scrm.shared.diagnosis import Finding, check, failed, fine, warning
from scrm.wecom.models import InboundEvent, ReadRequest, WecomConnection
from scrm.wecom.rules.status import ConnectionState, EventState, ReadState, SyncScope, SyncState
from scrm.wecom.selectors import COUNTED

LATE_AFTER = timedelta(minutes=2)  # the sweeps run every few seconds
OLD_AFTER = timedelta(hours=36)  # a night was missed
WORKING = (ConnectionState.CONNECTED, ConnectionState.FAILING)


@check("wecom_connections")
def connections_work() -> Finding:
    title = _("企业微信连接")
    connections = WecomConnection.objects.in_use().order_by("pk")
    if not connections:
        return fine(title, _("没有在用的连接"))
    failing = [each for each in connections if each.state == ConnectionState.FAILING]
    if failing:
        detail = _("%(count)d 个异常，第一个是 %(name)s（错误码 %(code)s）") % {
            "count": len(failing),
            "name": failing[0],
            "code": failing[0].state_code,
        }
        return failed(title, detail, fix=_("后台：企业微信 → 企业微信连接 → 测试连接"))
    silent = [each for each in connections if each.callback_verified_at is None]
    if silent:
        detail = _("%(count)d 个的回调还没有验证，第一个是 %(name)s") % {
            "count": len(silent),
            "name": silent[0],
        }
        return warning(title, detail, fix=_("后台：企业微信连接 → 连接向导 → 回调"))
    return fine(title, _("%(count)d 个正常") % {"count": len(connections)})


@check("wecom_inbox")
def callbacks_are_processed() -> Finding:
    title = _("企业微信回调")
    now = database_now()
    waiting = InboundEvent.objects.filter(state=EventState.WAITING, due_at__lt=now - LATE_AFTER)
    late = waiting.order_by("due_at", "pk").values_list("due_at", flat=True).first()
    if late is not None:
        minutes = (now - late).total_seconds() // 60
        detail = _("有回调过期 %(minutes)d 分钟还没处理") % {"minutes": minutes}
        return failed(title, detail, fix=_("确认 beat 和 worker 在运行：make up"))
    events = InboundEvent.objects.filter(state=EventState.FAILED)[: COUNTED + 1].count()
    reads = ReadRequest.objects.filter(state=ReadState.FAILED).count()
    if events or reads:
        detail = _("%(events)d 条处理失败，%(reads)d 个对象读取失败") % {
            "events": events,
            "reads": reads,
        }
        return warning(title, detail, fix=_("后台：企业微信 → 平台回调 → 重新处理"))
    return fine(title, _("没有积压"))


@check("wecom_sync")
def companies_are_read() -> Finding:
    title = _("企业微信同步")
    ended = Q(
        sync_runs__scope=SyncScope.FULL,
        sync_runs__state__in=[SyncState.COMPLETED, SyncState.PARTIAL],
    )
    connections = WecomConnection.objects.filter(state__in=WORKING).order_by("pk")
    now = database_now()
    read: Any = connections.annotate(read_at=Max("sync_runs__finished_at", filter=ended))
    for each in read:
        began = each.read_at or each.created_at
        if now - began > OLD_AFTER:
            hours = (now - began).total_seconds() // 3600
            detail = _("%(name)s 已 %(hours)d 小时没有完整同步") % {"name": each, "hours": hours}
            return warning(title, detail, fix=_("后台：企业微信连接 → 立即同步，并查看上次的原因"))
    return fine(title, _("没有过期的"))
