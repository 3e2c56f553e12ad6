"""How a member comes to be classified, tagged, ranked, and agreed with."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ClassificationSource(TextChoices):
    EVIDENCE = "evidence", _("凭证")
    OPERATOR = "operator", _("人工")
    IMPORT = "import", _("导入")
    RULE = "rule", _("规则")


#: From the weakest word to the strongest.
STRENGTH = (
    ClassificationSource.RULE,
    ClassificationSource.IMPORT,
    ClassificationSource.OPERATOR,
    ClassificationSource.EVIDENCE,
)


def is_stronger(source: str, *, than: str) -> bool:
    """Whether the other source may not replace what this one said."""
    return STRENGTH.index(ClassificationSource(source)) > STRENGTH.index(ClassificationSource(than))


class TierCause(TextChoices):
    PROMOTED = "promoted", _("升级")
    DEMOTED = "demoted", _("降级")
    LOCKED = "locked", _("人工锁定")
    UNLOCKED = "unlocked", _("解除锁定")
    ENTERED = "entered", _("首次定级")


class ConsentPurpose(TextChoices):
    BROADCAST = "broadcast", _("群发消息")
    PROFILING = "profiling", _("画像与评分")
    EVIDENCE = "evidence", _("使用凭证照片")
    REFERRAL = "referral", _("推荐关系")


class ConsentDecision(TextChoices):
    GRANTED = "granted", _("同意")
    DENIED = "denied", _("不同意")
    WITHDRAWN = "withdrawn", _("撤回")


class EvidenceStatus(TextChoices):
    PENDING = "pending", _("待审核")
    APPROVED = "approved", _("已通过")
    REJECTED = "rejected", _("未通过")


class InvitationStatus(TextChoices):
    PLANNED = "planned", _("待邀请")
    INVITED = "invited", _("已邀请")
    JOINED = "joined", _("已加入")
    DECLINED = "declined", _("不去")
    GONE = "gone", _("已离开母社群")


#: Nothing has come of it yet.
OPEN_INVITATION = frozenset({InvitationStatus.PLANNED, InvitationStatus.INVITED})
