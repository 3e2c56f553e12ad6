"""Plans for a group chat: what happens on which day after it began."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class SopStatus(TextChoices):
    DRAFT = "draft", _("草稿")
    IN_REVIEW = "in_review", _("待审批")
    ACTIVE = "active", _("启用")
    RETIRED = "retired", _("已停用")


class StepKind(TextChoices):
    MESSAGE = "message", _("发消息")
    CHECKLIST = "checklist", _("人工清单")


class EnrolmentStatus(TextChoices):
    ACTIVE = "active", _("进行中")
    PAUSED = "paused", _("已暂停")
    COMPLETED = "completed", _("已完成")
    CANCELLED = "cancelled", _("已取消")


class SopTaskStatus(TextChoices):
    PLANNED = "planned", _("未到时间")
    OPEN = "open", _("待完成")
    SENDING = "sending", _("发送中")
    DONE = "done", _("已完成")
    SKIPPED = "skipped", _("已跳过")
    FAILED = "failed", _("失败")
