"""Ways of keeping somebody who is about to fall silent."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class WinbackKind(TextChoices):
    TASK = "task", _("人工联系")
    MESSAGE = "message", _("发消息")
    BENEFIT = "benefit", _("发权益")


class WinbackStatus(TextChoices):
    PLANNED = "planned", _("待执行")
    DONE = "done", _("已执行")
    SUPPRESSED = "suppressed", _("被拦下")
    FAILED = "failed", _("失败")
    CANCELLED = "cancelled", _("已取消")
