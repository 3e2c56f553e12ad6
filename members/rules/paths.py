"""The steps that may come before a first order."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from members.rules.activity import ActivityKind


class PathStep(TextChoices):
    JOINED = "joined", _("入群")
    SPOKE = "spoke", _("发言")
    CHECKED_IN = "checked_in", _("打卡")
    CLICKED = "clicked", _("点击")
    SHARED = "shared", _("转发")
    TOOK_PART = "took_part", _("其他互动")


#: What an event is a step of; every other kind is ``TOOK_PART``.
STEPS = {
    ActivityKind.MESSAGE: PathStep.SPOKE,
    ActivityKind.POST: PathStep.SPOKE,
    ActivityKind.COMMENT: PathStep.SPOKE,
    ActivityKind.CHECKIN: PathStep.CHECKED_IN,
    ActivityKind.CLICK: PathStep.CLICKED,
    ActivityKind.SHARE: PathStep.SHARED,
}
