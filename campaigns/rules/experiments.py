"""What an experiment compares, for whom, and by what."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ExperimentKind(TextChoices):
    TEXT = "text", _("比较文案")
    SEND_TIME = "send_time", _("比较发送时间")


class ExperimentUnit(TextChoices):
    MEMBER = "member", _("成员")
    CHAT = "chat", _("客户群")
    CHAT_DAY = "chat_day", _("同一批群的不同日子（轮换）")


class ExperimentMetric(TextChoices):
    INTERACTED = "interacted", _("互动（发言、评论、点击、打卡等）")
    CLICKED = "clicked", _("点击")
    ORDERED = "ordered", _("下单")
    SPENT = "spent", _("净消费（分）")


class ExperimentStatus(TextChoices):
    DRAFT = "draft", _("草稿")
    RUNNING = "running", _("进行中")
    ENDED = "ended", _("已到期，可下结论")
    APPLIED = "applied", _("已采用胜者")
    ABANDONED = "abandoned", _("已放弃")


#: The number of the arm that gets nothing.
HOLD_OUT = 0
