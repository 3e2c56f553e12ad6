"""What sorts of communities and entry policies there are."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class PurposeKind(TextChoices):
    SINGLE = "single", _("单一目的（+社群）")
    MULTIPLE = "multiple", _("多重目的（社群+）")


class CommunityKind(TextChoices):
    STANDARD = "standard", _("常规")
    FLASH = "flash", _("快闪")
    STORE = "store", _("门店")
    VIP = "vip", _("会员")
    CYCLE = "cycle", _("打卡周期")


class Circle(TextChoices):
    CORE = "core", _("核心圈")
    CITY = "city", _("同城圈")
    LIFESTYLE = "lifestyle", _("生活方式圈")


class ContentCategory(TextChoices):
    """What a message is about. Service messages are what a customer needs to be told."""

    SERVICE = "service", _("服务")
    BENEFIT = "benefit", _("福利")
    EVENT = "event", _("活动")
    KNOWLEDGE = "knowledge", _("知识")
    UGC = "ugc", _("用户内容")
    BRAND = "brand", _("品牌")
    ADVERT = "advert", _("广告")


class EntryMode(TextChoices):
    OPEN = "open", _("开放")
    RULE = "rule", _("按规则自动")
    RULE_AND_REVIEW = "rule_and_review", _("规则 + 人工审核")
    INVITE_ONLY = "invite_only", _("仅邀请")


#: The modes in which the criterion of a policy is asked.
BY_RULE = frozenset({EntryMode.RULE, EntryMode.RULE_AND_REVIEW})
