"""Plans for a group chat: what happens on which day after it began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

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


SOP_MOVES: dict[str, tuple[frozenset[SopStatus], SopStatus]] = {
    "submit_sop_plan": (frozenset({SopStatus.DRAFT}), SopStatus.IN_REVIEW),
    "approve_sop_plan": (frozenset({SopStatus.IN_REVIEW}), SopStatus.ACTIVE),
    "return_sop_plan": (frozenset({SopStatus.IN_REVIEW}), SopStatus.DRAFT),
    "retire_sop_plan": (
        frozenset({SopStatus.DRAFT, SopStatus.IN_REVIEW, SopStatus.ACTIVE}),
        SopStatus.RETIRED,
    ),
}

ENROLMENT_MOVES: dict[str, tuple[frozenset[EnrolmentStatus], EnrolmentStatus]] = {
    "pause_sop": (frozenset({EnrolmentStatus.ACTIVE}), EnrolmentStatus.PAUSED),
    "resume_sop": (frozenset({EnrolmentStatus.PAUSED}), EnrolmentStatus.ACTIVE),
    "cancel_sop": (
        frozenset({EnrolmentStatus.ACTIVE, EnrolmentStatus.PAUSED}),
        EnrolmentStatus.CANCELLED,
    ),
}

#: A message that could not be sent so long after its time is not sent any more.
MESSAGE_GRACE = timedelta(hours=6)
ITEM_LIMIT = 30
ITEM_LENGTH = 120


def due_at(begins_on: date, day_offset: int, local_time: time, *, zone: ZoneInfo) -> datetime:
    """When a step is due in a chat. A time that a change of the clock skips is that much later."""
    return datetime.combine(begins_on + timedelta(days=day_offset), local_time, tzinfo=zone)


def is_all_ticked(items: Sequence[str], done: Sequence[int]) -> bool:
    return set(range(len(items))) <= set(done)
