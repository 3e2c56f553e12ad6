"""The life of a hand-over, of its items, and of the case of somebody who has left."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from communities.rules.kinds import CommunityKind

#: Of the kind of communities that a policy is for.
ANY_KIND = ""


class OwnershipCause(TextChoices):
    """Why a period of ownership began."""

    UNREAD = "unread", _("登记时尚未读到群主")
    FIRST_SEEN = "first_seen", _("首次读到")
    REGISTERED = "registered", _("在本系统登记")
    TRANSFER = "transfer", _("经本系统转让")
    OBSERVED = "observed", _("平台上更换")


class OwnershipConfidence(TextChoices):
    """Whether the instant at which an owner changed is known, or only its latest possible one."""

    EXACT = "exact", _("准确")
    INFERRED = "inferred", _("推断")


class BrokenRule(TextChoices):
    """What a change of owner that was only observed went against."""

    STRANGER = "stranger", _("新群主不是登记的员工")
    INACTIVE = "inactive", _("新群主已离职")
    NOT_ALLOWED = "not_allowed", _("新群主没有客户联系权限")
    NOT_ACTIVATED = "not_activated", _("新群主未激活企业微信")
    OVER_MAXIMUM = "over_maximum", _("新群主的群超过上限")
    WITHOUT_APPROVAL = "without_approval", _("没有经过审批")
    NOT_THE_RECEIVER = "not_the_receiver", _("转给了计划之外的人")


class ViolationStatus(TextChoices):
    OPEN = "open", _("待处理")
    ACCEPTED = "accepted", _("已认可")
    REVERSED = "reversed", _("已转回")


class Subject(TextChoices):
    """What a policy or an item is about."""

    CHAT = "chat", _("客户群")
    CUSTOMER = "customer", _("客户")
    COMMUNITY = "community", _("社群负责人")


class Selection(TextChoices):
    """How a policy finds the receiver."""

    BACKUP_OWNER = "backup_owner", _("社群的备用群主")
    SAME_DEPARTMENT = "same_department", _("同部门，负担最轻者")
    LEAST_LOADED = "least_loaded", _("全企业负担最轻者")
    BY_CLASSIFICATION = "by_classification", _("按分类指定")
    FIXED = "fixed", _("固定人选")
    CHOSEN = "chosen", _("人工指定")


#: What a policy may say; "chosen" is what a person does.
POLICY_SELECTIONS = [each for each in Selection if each != Selection.CHOSEN]


class Route(TextChoices):
    """Which way of the platform an item goes."""

    ON_JOB = "on_job", _("在职转让")
    RESIGNED = "resigned", _("离职继承")
    INTERNAL = "internal", _("本系统内")


class TransferStatus(TextChoices):
    DRAFT = "draft", _("草稿")
    AWAITING_APPROVAL = "awaiting_approval", _("待审批")
    SUBMITTED = "submitted", _("执行中")
    PARTIALLY_SUCCEEDED = "partially_succeeded", _("部分成功")
    SUCCEEDED = "succeeded", _("平台已受理，待核对")
    FAILED = "failed", _("失败")
    VERIFIED = "verified", _("已核对完成")
    REJECTED = "rejected", _("审批未通过")
    CANCELLED = "cancelled", _("已取消")


#: Submitted and approved: its queued items are sent.
AT_WORK = frozenset(
    {
        TransferStatus.SUBMITTED,
        TransferStatus.PARTIALLY_SUCCEEDED,
        TransferStatus.SUCCEEDED,
        TransferStatus.FAILED,
        TransferStatus.VERIFIED,
    }
)
#: The plan may be changed.
PLANNABLE = frozenset({TransferStatus.DRAFT, TransferStatus.AWAITING_APPROVAL})


class ItemState(TextChoices):
    PLANNED = "planned", _("可以转")
    BLOCKED = "blocked", _("不能转")
    PENDING = "pending", _("待审批")
    QUEUED = "queued", _("排队中")
    SENDING = "sending", _("提交中")
    UNKNOWN = "unknown", _("结果不明，核对中")
    ACCEPTED = "accepted", _("平台已受理，待核对")
    VERIFIED = "verified", _("已核对")
    REFUSED = "refused", _("客户拒绝")
    FAILED = "failed", _("失败")
    GONE = "gone", _("已不存在")
    WAIVED = "waived", _("不再转")
    CANCELLED = "cancelled", _("已取消")


#: Nobody else may hand over the same thing meanwhile.
HOLDING = frozenset(
    {
        ItemState.PENDING,
        ItemState.QUEUED,
        ItemState.SENDING,
        ItemState.UNKNOWN,
        ItemState.ACCEPTED,
    }
)
#: The platform may have done it, or is about to.
UNDER_WAY = frozenset({ItemState.SENDING, ItemState.UNKNOWN, ItemState.ACCEPTED})
#: An end that explains itself: a case closes when every item has one.
EXPLAINED = frozenset(
    {
        ItemState.VERIFIED,
        ItemState.REFUSED,
        ItemState.GONE,
        ItemState.WAIVED,
    }
)

ITEM_MOVES: dict[str, frozenset[ItemState]] = {
    ItemState.PLANNED: frozenset(
        {
            ItemState.BLOCKED,
            ItemState.PENDING,
            ItemState.QUEUED,
            ItemState.WAIVED,
            ItemState.GONE,
            ItemState.CANCELLED,
        }
    ),
    ItemState.BLOCKED: frozenset(
        {
            ItemState.PLANNED,
            ItemState.PENDING,
            ItemState.QUEUED,
            ItemState.WAIVED,
            ItemState.GONE,
            ItemState.VERIFIED,
            ItemState.CANCELLED,
        }
    ),
    ItemState.PENDING: frozenset(
        {
            ItemState.BLOCKED,
            ItemState.QUEUED,
            ItemState.WAIVED,
            ItemState.GONE,
            ItemState.VERIFIED,
            ItemState.PLANNED,
            ItemState.CANCELLED,
        }
    ),
    ItemState.QUEUED: frozenset(
        {
            ItemState.SENDING,
            ItemState.BLOCKED,
            ItemState.PENDING,
            ItemState.WAIVED,
            ItemState.GONE,
            ItemState.VERIFIED,
            ItemState.CANCELLED,
        }
    ),
    ItemState.SENDING: frozenset(
        {
            ItemState.QUEUED,
            ItemState.UNKNOWN,
            ItemState.ACCEPTED,
            ItemState.VERIFIED,
            ItemState.FAILED,
            ItemState.GONE,
        }
    ),
    ItemState.UNKNOWN: frozenset(
        {
            ItemState.QUEUED,
            ItemState.ACCEPTED,
            ItemState.VERIFIED,
            ItemState.REFUSED,
            ItemState.FAILED,
            ItemState.GONE,
        }
    ),
    ItemState.ACCEPTED: frozenset(
        {ItemState.VERIFIED, ItemState.REFUSED, ItemState.FAILED, ItemState.GONE}
    ),
    ItemState.FAILED: frozenset(
        {
            ItemState.PENDING,
            ItemState.QUEUED,
            ItemState.BLOCKED,
            ItemState.WAIVED,
            ItemState.GONE,
            ItemState.VERIFIED,
            ItemState.CANCELLED,
        }
    ),
}


class CaseStatus(TextChoices):
    OPENED = "opened", _("正在清点")
    AWAITING_APPROVAL = "awaiting_approval", _("待审批")
    RUNNING = "running", _("交接中")
    CLOSED = "closed", _("已结案")
    CANCELLED = "cancelled", _("已取消")


OPEN_CASES = frozenset({CaseStatus.OPENED, CaseStatus.AWAITING_APPROVAL, CaseStatus.RUNNING})


class CaseCause(TextChoices):
    PLATFORM = "platform", _("通讯录显示已离职")
    OPERATOR = "operator", _("人工停用")
    FOUND = "found", _("发现离职员工名下仍有资产")


class NoticeState(TextChoices):
    PLANNED = "planned", _("待发送")
    SENDING = "sending", _("发送中")
    SENT = "sent", _("已发送")
    UNKNOWN = "unknown", _("结果不明")
    FAILED = "failed", _("发送失败")
    SKIPPED = "skipped", _("不发送")


class NoticeRole(TextChoices):
    GIVER = "giver", _("转出人")
    RECEIVER = "receiver", _("接手人")


KINDS_OR_ANY = [ANY_KIND, *CommunityKind.values]
