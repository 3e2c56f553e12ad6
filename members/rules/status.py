"""The states of applications and stays, and the moves between them."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ApplicationStatus(TextChoices):
    IN_REVIEW = "in_review", _("待审核")
    APPROVED = "approved", _("已通过，等待空位")
    JOINED = "joined", _("已入群")
    REJECTED = "rejected", _("未通过")
    WITHDRAWN = "withdrawn", _("已撤回")


#: At most one application of a member to a community is in one of these.
OPEN_APPLICATION = frozenset({ApplicationStatus.IN_REVIEW, ApplicationStatus.APPROVED})

APPLICATION_MOVES: dict[str, frozenset[ApplicationStatus]] = {
    ApplicationStatus.IN_REVIEW: frozenset(
        {
            ApplicationStatus.APPROVED,
            ApplicationStatus.JOINED,
            ApplicationStatus.REJECTED,
            ApplicationStatus.WITHDRAWN,
        }
    ),
    ApplicationStatus.APPROVED: frozenset({ApplicationStatus.JOINED, ApplicationStatus.WITHDRAWN}),
}


def may_become(current: str, target: str) -> bool:
    return target in APPLICATION_MOVES.get(current, frozenset())


class JoinSource(TextChoices):
    API = "api", _("接口")
    ADMIN = "admin", _("后台")
    IMPORT = "import", _("导入")


class LeaveReason(TextChoices):
    SELF = "self", _("自己退出")
    REMOVED = "removed", _("被移出")
    DISSOLVED = "dissolved", _("群解散")
    UNKNOWN = "unknown", _("未知")


class ObservedBy(TextChoices):
    EVENT = "event", _("平台事件")
    SYNC = "sync", _("同步")
    IMPORT = "import", _("导入")
    PRODUCT = "product", _("本系统")
