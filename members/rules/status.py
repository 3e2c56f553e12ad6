"""The states of applications and stays, and the moves between them."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ApplicationStatus(TextChoices):
    SUBMITTED = "submitted", _("已提交")
    EVIDENCE_PENDING = "evidence_pending", _("待补凭证")
    EVALUATING = "evaluating", _("核对中")
    IN_REVIEW = "in_review", _("待审核")
    APPROVED = "approved", _("已通过，等待空位")
    JOINED = "joined", _("已入群")
    REJECTED = "rejected", _("未通过")
    WITHDRAWN = "withdrawn", _("已撤回")
    EXPIRED = "expired", _("已过期")


#: At most one application of a member to a community is in one of these.
OPEN_APPLICATION = frozenset(
    {
        ApplicationStatus.SUBMITTED,
        ApplicationStatus.EVIDENCE_PENDING,
        ApplicationStatus.EVALUATING,
        ApplicationStatus.IN_REVIEW,
        ApplicationStatus.APPROVED,
    }
)

#: Nothing is decided yet: a new version of the policy applies to these.
UNDECIDED = OPEN_APPLICATION - {ApplicationStatus.APPROVED}

APPLICATION_MOVES: dict[str, frozenset[ApplicationStatus]] = {
    ApplicationStatus.SUBMITTED: frozenset(
        {
            ApplicationStatus.EVIDENCE_PENDING,
            ApplicationStatus.EVALUATING,
            ApplicationStatus.WITHDRAWN,
        }
    ),
    ApplicationStatus.EVIDENCE_PENDING: frozenset(
        {
            ApplicationStatus.EVALUATING,
            ApplicationStatus.REJECTED,  # by a block, like every open application
            ApplicationStatus.WITHDRAWN,
            ApplicationStatus.EXPIRED,
        }
    ),
    ApplicationStatus.EVALUATING: frozenset(
        {
            ApplicationStatus.EVIDENCE_PENDING,
            ApplicationStatus.IN_REVIEW,
            ApplicationStatus.APPROVED,
            ApplicationStatus.REJECTED,
            ApplicationStatus.WITHDRAWN,
        }
    ),
    ApplicationStatus.IN_REVIEW: frozenset(
        {
            ApplicationStatus.EVALUATING,
            ApplicationStatus.APPROVED,
            ApplicationStatus.REJECTED,
            ApplicationStatus.WITHDRAWN,
        }
    ),
    ApplicationStatus.APPROVED: frozenset(
        {
            ApplicationStatus.JOINED,
            ApplicationStatus.REJECTED,
            ApplicationStatus.WITHDRAWN,
            ApplicationStatus.EXPIRED,
        }
    ),
}


def may_become(current: str, target: str) -> bool:
    return target in APPLICATION_MOVES.get(current, frozenset())


class JoinSource(TextChoices):
    API = "api", _("接口")
    ADMIN = "admin", _("后台")
    IMPORT = "import", _("导入")
    JOIN_PAGE = "join_page", _("入群页")
    PLATFORM = "platform", _("平台")


class LeaveReason(TextChoices):
    SELF = "self", _("自己退出")
    REMOVED = "removed", _("被移出")
    DISSOLVED = "dissolved", _("群解散")
    NEVER_CAME = "never_came", _("未进群")
    UNKNOWN = "unknown", _("未知")


class ObservedBy(TextChoices):
    EVENT = "event", _("平台事件")
    SYNC = "sync", _("同步")
    IMPORT = "import", _("导入")
    PRODUCT = "product", _("本系统")


class Confidence(TextChoices):
    """Of an instant in a history: told by the platform, or only the latest it can have been."""

    EXACT = "exact", _("准确")
    INFERRED = "inferred", _("推断")


class JoinScene(TextChoices):
    UNKNOWN = "", _("未知")
    INVITED = "invited", _("成员邀请")
    DIRECT = "direct", _("直接邀请")
    LINK = "link", _("邀请链接")
    QR_CODE = "qr_code", _("扫群二维码")


class FollowEnd(TextChoices):
    """Why a customer and a member of staff are no longer contacts."""

    BY_STAFF = "by_staff", _("员工删除")
    BY_CUSTOMER = "by_customer", _("客户删除")
    TRANSFERRED = "transferred", _("转接给同事")
    MUTUAL = "mutual", _("员工也添加了，成为互为好友")
    UNKNOWN = "unknown", _("未知")
