"""The states of everything that is sent or watched, and the moves between them."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class BroadcastStatus(TextChoices):
    DRAFT = "draft", _("草稿")
    IN_REVIEW = "in_review", _("待审批")
    APPROVED = "approved", _("已批准")
    SCHEDULED = "scheduled", _("已排期")
    RUNNING = "running", _("发送中")
    PAUSED = "paused", _("已暂停")
    HALTED = "halted", _("已叫停")
    COMPLETED = "completed", _("已完成")
    PARTIALLY_COMPLETED = "partially_completed", _("部分完成")
    FAILED = "failed", _("失败")
    CANCELLED = "cancelled", _("已取消")


BROADCAST_MOVES: dict[str, frozenset[BroadcastStatus]] = {
    BroadcastStatus.DRAFT: frozenset({BroadcastStatus.IN_REVIEW, BroadcastStatus.CANCELLED}),
    BroadcastStatus.IN_REVIEW: frozenset(
        {BroadcastStatus.APPROVED, BroadcastStatus.DRAFT, BroadcastStatus.CANCELLED}
    ),
    BroadcastStatus.APPROVED: frozenset(
        {BroadcastStatus.SCHEDULED, BroadcastStatus.DRAFT, BroadcastStatus.CANCELLED}
    ),
    BroadcastStatus.SCHEDULED: frozenset(
        {
            BroadcastStatus.RUNNING,
            BroadcastStatus.APPROVED,
            BroadcastStatus.DRAFT,
            BroadcastStatus.PAUSED,
            BroadcastStatus.HALTED,
            BroadcastStatus.COMPLETED,
            BroadcastStatus.PARTIALLY_COMPLETED,
            BroadcastStatus.FAILED,
            BroadcastStatus.CANCELLED,
        }
    ),
    BroadcastStatus.RUNNING: frozenset(
        {
            BroadcastStatus.SCHEDULED,
            BroadcastStatus.PAUSED,
            BroadcastStatus.HALTED,
            BroadcastStatus.COMPLETED,
            BroadcastStatus.PARTIALLY_COMPLETED,
            BroadcastStatus.FAILED,
            BroadcastStatus.CANCELLED,
        }
    ),
    BroadcastStatus.PAUSED: frozenset(
        {
            BroadcastStatus.RUNNING,
            BroadcastStatus.SCHEDULED,
            BroadcastStatus.HALTED,
            BroadcastStatus.COMPLETED,
            BroadcastStatus.CANCELLED,
        }
    ),
    BroadcastStatus.HALTED: frozenset(
        {BroadcastStatus.RUNNING, BroadcastStatus.SCHEDULED, BroadcastStatus.CANCELLED}
    ),
    BroadcastStatus.PARTIALLY_COMPLETED: frozenset({BroadcastStatus.RUNNING}),
    BroadcastStatus.FAILED: frozenset({BroadcastStatus.RUNNING}),
}


#: The moves above say what may follow; this says which verb may bring it about. Two verbs lead to
#: "approved", and only one of them may begin where an approval is still to be given.
VERB_BEGINS: dict[str, frozenset[BroadcastStatus]] = {
    "submit_broadcast": frozenset({BroadcastStatus.DRAFT}),
    "approve_broadcast": frozenset({BroadcastStatus.IN_REVIEW}),
    "return_broadcast_to_draft": frozenset({BroadcastStatus.IN_REVIEW, BroadcastStatus.APPROVED}),
    "schedule_broadcast": frozenset({BroadcastStatus.APPROVED}),
    "unschedule_broadcast": frozenset({BroadcastStatus.SCHEDULED}),
    "start_broadcast": frozenset({BroadcastStatus.SCHEDULED}),
    "miss_broadcast": frozenset({BroadcastStatus.SCHEDULED}),
    "void_approval": frozenset({BroadcastStatus.APPROVED, BroadcastStatus.SCHEDULED}),
    "pause_broadcast": frozenset({BroadcastStatus.SCHEDULED, BroadcastStatus.RUNNING}),
    "resume_broadcast": frozenset({BroadcastStatus.PAUSED, BroadcastStatus.HALTED}),
    "halt_broadcast": frozenset(
        {BroadcastStatus.RUNNING, BroadcastStatus.PAUSED, BroadcastStatus.SCHEDULED}
    ),
    "retry_failed": frozenset(
        {
            BroadcastStatus.SCHEDULED,
            BroadcastStatus.PARTIALLY_COMPLETED,
            BroadcastStatus.FAILED,
        }
    ),
    "await_next_occurrence": frozenset({BroadcastStatus.RUNNING}),
    "end_schedule": frozenset({BroadcastStatus.SCHEDULED}),
    "run_missed": frozenset({BroadcastStatus.SCHEDULED, BroadcastStatus.PAUSED}),
    "skip_missed": frozenset({BroadcastStatus.PAUSED}),
    "finish_broadcast": frozenset({BroadcastStatus.RUNNING}),
    "cancel_broadcast": frozenset(
        {
            BroadcastStatus.DRAFT,
            BroadcastStatus.IN_REVIEW,
            BroadcastStatus.APPROVED,
            BroadcastStatus.SCHEDULED,
            BroadcastStatus.RUNNING,
            BroadcastStatus.PAUSED,
            BroadcastStatus.HALTED,
        }
    ),
}


#: A broadcast in these states begins to run when its time comes.
AWAITING_TIME = frozenset({BroadcastStatus.SCHEDULED, BroadcastStatus.RUNNING})


class BroadcastTarget(TextChoices):
    MEMBERS = "members", _("成员（一对一）")
    CHATS = "chats", _("客户群")


class RecipientKind(TextChoices):
    """What a channel calls who gets a message."""

    MEMBER = "member", _("成员")
    CHAT = "chat", _("客户群")


RECIPIENT_KIND = {
    BroadcastTarget.MEMBERS: RecipientKind.MEMBER,
    BroadcastTarget.CHATS: RecipientKind.CHAT,
}


class MisfirePolicy(TextChoices):
    RUN_LATE = "run_late", _("宽限时间内补发")
    SKIP = "skip", _("错过即取消")
    ASK = "ask", _("错过后由人决定")


class FreezeAt(TextChoices):
    START = "start", _("开始发送时")
    APPROVAL = "approval", _("批准时")


class RunStatus(TextChoices):
    ASKED = "asked", _("错过了，等人决定")
    FREEZING = "freezing", _("锁定名单")
    SENDING = "sending", _("发送中")
    CANCELLING = "cancelling", _("正在取消")
    FINISHED = "finished", _("已结束")
    CANCELLED = "cancelled", _("已取消")
    SKIPPED = "skipped", _("错过了，没有发送")


#: Something is still to be done for runs in these states.
OPEN_RUN = frozenset({RunStatus.FREEZING, RunStatus.SENDING, RunStatus.CANCELLING})


class DispatchStatus(TextChoices):
    PENDING = "pending", _("待发送")
    LEASED = "leased", _("发送中")
    AWAITING = "awaiting", _("等待平台上的确认")
    STOPPING = "stopping", _("正在停止")
    DONE = "done", _("已有结果")
    CANCELLED = "cancelled", _("已取消")


#: What a drain takes. A leased one may have been handed over: its outcome is not known.
CLAIMABLE_DISPATCH = frozenset({DispatchStatus.PENDING, DispatchStatus.LEASED})
#: With the platform, where somebody has still to confirm: it is asked again and again.
POLLED_DISPATCH = frozenset({DispatchStatus.AWAITING, DispatchStatus.STOPPING})
#: Dispatches without a result.
OPEN_DISPATCH = CLAIMABLE_DISPATCH | POLLED_DISPATCH


class DeliveryStatus(TextChoices):
    PLANNED = "planned", _("待发送")
    SUPPRESSED = "suppressed", _("已拦下")
    SUBMITTED = "submitted", _("已提交")
    AWAITING_OWNER = "awaiting_owner", _("待群主确认")
    DELIVERED = "delivered", _("已送达")
    FAILED = "failed", _("失败")
    EXPIRED = "expired", _("已过期")
    CANCELLED = "cancelled", _("已取消")


class WelcomeStatus(TextChoices):
    PLANNED = "planned", _("待发送")
    SENDING = "sending", _("发送中")
    SENT = "sent", _("已发送")
    SKIPPED = "skipped", _("已跳过")
    FAILED = "failed", _("失败")


#: Welcomes without a result.
OPEN_WELCOME = frozenset({WelcomeStatus.PLANNED, WelcomeStatus.SENDING})


class AlertStatus(TextChoices):
    OPEN = "open", _("待处理")
    ACKNOWLEDGED = "acknowledged", _("已认领")
    INTERVENING = "intervening", _("干预中")
    RECOVERED = "recovered", _("已挽回")
    CHURNED = "churned", _("已流失")
    DISMISSED = "dismissed", _("已忽略")
    EXPIRED = "expired", _("已过期")


class AlertCause(TextChoices):
    THRESHOLD = "threshold", _("概率达到阈值")
    TOP_VALUE = "top_value", _("价值 × 风险居前")


class AlertOutcome(TextChoices):
    """What became of the member, whatever was done about the alert."""

    SAVED = "saved", _("已回来")
    LOST = "lost", _("已沉默")
    LEFT = "left", _("已退群")
    UNMEASURED = "unmeasured", _("没有数据，无法判断")
    UNWATCHED = "unwatched", _("不再观察（撤回授权或已抹除）")


#: The outcomes that say whether an alert was right, and those of them that say it was.
JUDGED_OUTCOMES = frozenset({AlertOutcome.SAVED, AlertOutcome.LOST, AlertOutcome.LEFT})
LOST_OUTCOMES = frozenset({AlertOutcome.LOST, AlertOutcome.LEFT})


class ValueBasis(TextChoices):
    CLV = "clv", _("预计价值")
    SPENT = "spent", _("近一年净消费")


OPEN_ALERT = frozenset({AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED, AlertStatus.INTERVENING})

ALERT_MOVES: dict[str, frozenset[AlertStatus]] = {
    AlertStatus.OPEN: frozenset(AlertStatus) - {AlertStatus.OPEN},
    AlertStatus.ACKNOWLEDGED: frozenset(
        {
            AlertStatus.INTERVENING,
            AlertStatus.RECOVERED,
            AlertStatus.CHURNED,
            AlertStatus.DISMISSED,
            AlertStatus.EXPIRED,
        }
    ),
    AlertStatus.INTERVENING: frozenset(
        {
            AlertStatus.RECOVERED,
            AlertStatus.CHURNED,
            AlertStatus.DISMISSED,
            AlertStatus.EXPIRED,
        }
    ),
}


def outcome_of_run(*, delivered: int, failed: int) -> BroadcastStatus:
    """What a broadcast becomes when every recipient of its run has a result."""
    if not failed:
        return BroadcastStatus.COMPLETED
    return BroadcastStatus.PARTIALLY_COMPLETED if delivered else BroadcastStatus.FAILED


def broadcast_may_become(current: str, target: str) -> bool:
    return target in BROADCAST_MOVES.get(current, frozenset())


def alert_may_become(current: str, target: str) -> bool:
    return target in ALERT_MOVES.get(current, frozenset())
