"""What people are asked to do, and how a task ends."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class TaskKind(TextChoices):
    UNGATED_JOIN = "ungated_join", _("未经准入的入群")
    REQUALIFICATION = "requalification", _("复核未通过")
    REVIEW_OVERDUE = "review_overdue", _("审核超时")
    CAPACITY = "capacity", _("客户群快满")
    MERGE = "merge", _("社群规模不足")
    CONNECTION_FAILING = "connection_failing", _("企业微信连接异常")
    STAFF_MISSING = "staff_missing", _("通讯录里找不到的员工")
    STILL_IN_CHAT = "still_in_chat", _("已移出仍在群里")
    OWNERSHIP_VIOLATION = "ownership_violation", _("群主更换违反规则")
    TRANSFER_APPROVAL = "transfer_approval", _("转让待审批")
    TRANSFER_TROUBLE = "transfer_trouble", _("转让有问题要处理")
    RESIGNATION_DUE = "resignation_due", _("离职交接快到期")
    BROADCAST_APPROVAL = "broadcast_approval", _("群发待审批")
    BROADCAST_MISSED = "broadcast_missed", _("群发错过了时间")
    BROADCAST_HALTED = "broadcast_halted", _("群发被叫停")
    BROADCAST_UNCONFIRMED = "broadcast_unconfirmed", _("群主还没确认群发")
    WINBACK = "winback", _("挽回成员")
    SOP_CHECKLIST = "sop_checklist", _("群 SOP 清单")
    ACTIVITY_REFUSED = "activity_refused", _("没有收下的活跃")


class TaskStatus(TextChoices):
    OPEN = "open", _("待处理")
    DONE = "done", _("已完成")
    DISMISSED = "dismissed", _("不处理")


#: What the facts behind a task are called. Those without a name here are for programs.
FACTS = {
    "reasons": _("建议"),
    "target": _("建议并入"),
    "size": _("现有人数"),
    "minimum_size": _("最小规模"),
    "chat": _("客户群"),
    "count": _("数量"),
    "is_blocked": _("在黑名单中"),
    "clauses": _("门槛"),
    "code": _("错误码"),
    "words": _("原因"),
    "fix": _("怎样解决"),
}
