"""What the self-check asks about members: can anybody prove a phone number, and are days true?"""

from __future__ import annotations

from django.conf import settings
from django.db.models import Min, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from members.models import DayCheck
from members.rules.daily_runs import DailyRunKind
from members.selectors.prediction_health import (
    FITTED_WITHIN,
    SCORED_WITHIN,
    Late,
    late_runs,
    unconverged_fits,
)
from members.services.activity_buffer import waiting_events
from members.services.detaching import detachable_months
from members.services.partitions import attached_months, month_after, month_of
from scrm.shared.diagnosis import Finding, check, failed, fine, warning
from scrm.shared.rate_limits import CACHE_FAILURES

MANY_WAIT = 20_000  # seconds of work


@check("phone_verification")
def codes_reach_phones() -> Finding:
    title = _("入群页手机验证")
    match settings.VERIFICATION:
        case "webhook" if not settings.VERIFICATION_URL:
            return warning(title, _("没有发送地址"), fix=_("设置 SCRM_VERIFICATION_URL"))
        case "webhook" if not settings.VERIFICATION_SECRET:
            return warning(title, _("没有签名密钥"), fix=_("设置 SCRM_VERIFICATION_SECRET"))
        case "webhook":
            return fine(title, _("由您的短信服务发送"))
        case "sandbox" if settings.EMBEDDED:
            return fine(title, _("演示：验证码显示在页面上"))
        case "sandbox":
            detail = _("验证码显示在页面上，任何人都能冒用别人的号码")
            return warning(title, detail, fix=_("设置 SCRM_VERIFICATION=webhook 和发送地址"))
    detail = _("没有开通，客人不能自助申请入群")
    return warning(title, detail, fix=_("设置 SCRM_VERIFICATION_URL 和 SCRM_VERIFICATION_SECRET"))


@check("activity_buffer")
def events_are_written() -> Finding:
    """Single events wait a second; where many wait nobody writes them."""
    title = _("等待写入的活跃")
    try:
        count = waiting_events()
    except CACHE_FAILURES:
        return warning(title, _("Valkey 没有回答；单条活跃会当场写入"), fix=_("检查 REDIS_URL"))
    detail = _("%(count)d 条") % {"count": count}
    if count > MANY_WAIT:
        return failed(title, detail, fix=_("检查 sweep 队列的 worker 是否在运行"))
    return fine(title, detail)


@check("activity_partitions")
def months_are_ready() -> Finding:
    """A batch makes the month that it lacks, so a missing one is no more than a warning."""
    title = _("活跃明细的月份")
    now = timezone.now()
    attached = attached_months()
    following = month_after(month_of(now))
    if following not in attached:
        detail = _("还没有 %(month)s：定时任务没有运行") % {"month": f"{following:%Y-%m}"}
        return warning(title, detail, fix="python manage.py activity_partitions --ahead")
    detachable = detachable_months(now)
    if detachable:
        words = {"count": len(detachable), "oldest": f"{detachable[0]:%Y-%m}"}
        detail = _("有 %(count)d 个月份过了保留期（最早 %(oldest)s）") % words
        return warning(title, detail, fix="python manage.py activity_partitions --by-policy")
    return fine(title, _("%(count)d 个月份") % {"count": len(attached)})


@check("days")
def days_equal_events() -> Finding:
    title = _("日汇总")
    checks = DayCheck.objects.aggregate(
        wrong=Sum("wrong_count"), days=Sum("day_count"), last=Min("checked_at")
    )
    if checks["last"] is None:
        return fine(title, _("还没有核对过：python manage.py check_days"))
    words = {"days": checks["days"], "wrong": checks["wrong"], "day": f"{checks['last']:%Y-%m-%d}"}
    if checks["wrong"]:
        detail = _("%(day)s 核对：%(days)d 行里有 %(wrong)d 行与明细不一致") % words
        return failed(title, detail, fix="python manage.py check_days --repair")
    return fine(title, _("%(day)s 核对：%(days)d 行与明细一致") % words)


@check("churn_scoring")
def scores_are_of_today() -> Finding:
    title = _("流失评分")
    late = late_runs(DailyRunKind.SCORING, SCORED_WITHIN, timezone.now())
    if not late.count:
        return fine(title, _("每天的评分都已完成"))
    return warning(title, _late_in_words(late), fix="python manage.py score_churn")


@check("prediction_models")
def models_are_fitted() -> Finding:
    title = _("模型训练")
    late = late_runs(DailyRunKind.FITTING, FITTED_WITHIN, timezone.now())
    if late.count:
        return warning(title, _late_in_words(late), fix="python manage.py fit_models")
    if count := unconverged_fits():
        detail = _("上次训练有 %(count)d 个社群没有收敛，沿用原来的模型") % {"count": count}
        return warning(title, detail, fix=_("在“预测模型”里看说明"))
    return fine(title, _("每周的训练都已完成"))


def _late_in_words(late: Late) -> str:
    if late.days is None:
        return _("%(count)d 个企业还没有完成过：定时任务没有运行") % {"count": late.count}
    words = {"count": late.count, "days": late.days}
    return _("%(count)d 个企业没有完成，最久的已 %(days)d 天") % words
