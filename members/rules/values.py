"""What kinds of customers there are: by what they bought, what they will, and what they do."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class RfmSegment(TextChoices):
    CHAMPIONS = "champions", _("重要价值")
    LOYAL = "loyal", _("重要发展")
    NEW = "new", _("新客户")
    NEEDS_ATTENTION = "needs_attention", _("需要关注")
    AT_RISK = "at_risk", _("重要挽留")
    HIBERNATING = "hibernating", _("沉睡")


class ValueBand(TextChoices):
    HIGH = "high", _("高")
    MEDIUM = "medium", _("中")
    LOW = "low", _("低")
    NONE = "none", _("无法估计")


class Behaviour(TextChoices):
    """By the last 28 days in communities that are measured."""

    CREATOR = "creator", _("内容贡献")
    TALKER = "talker", _("积极发言")
    REACTOR = "reactor", _("只互动")
    NEWCOMER = "newcomer", _("新加入")
    DORMANT = "dormant", _("沉默")
    UNMEASURED = "unmeasured", _("没有数据")
