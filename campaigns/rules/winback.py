"""Ways of keeping somebody who is about to fall silent."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from campaigns.rules.reasons import reason_words
from campaigns.rules.status import BroadcastStatus, DeliveryStatus
from scrm.shared.criteria import Words

MOST_AT_ONCE = 500  # alerts in one call

#: The least and the most of what a policy says.
POLICY_LIMITS = {
    "threshold_percent": (5, 95),
    "top_percent": (0, 50),
    "holdout_percent": (5, 10),
    "cooldown_days": (7, 365),
}


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


ALERT_CLOSED = "alert_closed"
BROADCAST_CANCELLED = "broadcast_cancelled"
TASK_DISMISSED = "task_dismissed"
BY_HAND = "by_hand"
NOT_MATCHING = "not_matching"

#: Why something was not done, beyond the reasons of deliveries.
WINBACK_REASONS: dict[str, Words] = {
    ALERT_CLOSED: _("预警已关闭"),
    BROADCAST_CANCELLED: _("群发已取消"),
    TASK_DISMISSED: _("待办被标为不处理"),
    BY_HAND: _("人工取消"),
}

#: What became of a message, by what became of its delivery; others are still under way.
STATUS_OF_DELIVERY = {
    DeliveryStatus.DELIVERED: WinbackStatus.DONE,
    DeliveryStatus.SUPPRESSED: WinbackStatus.SUPPRESSED,
    DeliveryStatus.FAILED: WinbackStatus.FAILED,
    DeliveryStatus.EXPIRED: WinbackStatus.FAILED,
    DeliveryStatus.CANCELLED: WinbackStatus.CANCELLED,
}

#: A broadcast in these states sends nothing any more.
OVER = frozenset(
    {
        BroadcastStatus.COMPLETED,
        BroadcastStatus.PARTIALLY_COMPLETED,
        BroadcastStatus.FAILED,
        BroadcastStatus.CANCELLED,
    }
)


def winback_reason_words(code: str) -> str:
    return str(WINBACK_REASONS.get(code) or reason_words(code)) if code else ""
