"""Why a recipient is not written to, and what a guard asks for."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ConsentRule(TextChoices):
    REQUIRED = "required", _("同意了才发（服务类除外）")
    NOT_REFUSED = "not_refused", _("没有拒绝或撤回就发")


class CapWindow(TextChoices):
    DAY = "day", _("每天")
    WEEK = "week", _("7 天内")
    MONTH = "month", _("30 天内")


#: Days of a window, today among them, by the enterprise's calendar.
CAP_DAYS = {CapWindow.DAY: 1, CapWindow.WEEK: 7, CapWindow.MONTH: 30}

#: What stands on a recipient whom a cap stops: a code of ``rules.reasons``.
CAP_REASONS = {
    CapWindow.DAY: "cap_day",
    CapWindow.WEEK: "cap_week",
    CapWindow.MONTH: "cap_month",
}


class Severity(TextChoices):
    HINT = "hint", _("提示")
    BLOCK = "block", _("拦截")


class TermKind(TextChoices):
    ABSOLUTE = "absolute", _("绝对化用语")
    MEDICAL = "medical", _("医疗功效")
    FINANCIAL = "financial", _("收益承诺")
    SUPERSTITION = "superstition", _("迷信")
    INDUCEMENT = "inducement", _("诱导分享")
    OWN = "own", _("企业自定")


class Decision(TextChoices):
    APPROVED = "approved", _("批准")
    REJECTED = "rejected", _("退回")
    VOID = "void", _("作废")


class WatchState(TextChoices):
    WATCHING = "watching", _("观察中")
    TRIPPED = "tripped", _("已触发")
    PASSED = "passed", _("未触发")
