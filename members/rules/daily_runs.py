"""What is computed once a day for each enterprise."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class DailyRunKind(TextChoices):
    SCORING = "scoring", _("流失评分")
    SNAPSHOTS = "snapshots", _("社群日快照")
    VALUES = "values", _("成员价值")
    FITTING = "fitting", _("模型训练")
    CHECKING = "checking", _("预测核对")
    STATISTICS = "statistics", _("平台统计")
