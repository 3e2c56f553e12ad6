from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Cast, Now
from django.utils.translation import gettext_lazy as _

from communities.models.classification import ClassificationValue
from communities.models.tier import Tier
from communities.rules.kinds import Circle, CommunityKind, ContentCategory, PurposeKind
from communities.rules.status import OPEN_FOR_ENTRY, CommunityStatus
from scrm.accounts.models import Department, Enterprise, Staff
from scrm.accounts.rules.roles import DataScope

if TYPE_CHECKING:
    from scrm.accounts.models import User


def in_scope_of(user: User) -> models.Q:
    """The communities that a user's data scope covers, as a condition."""
    if user.data_scope == DataScope.ALL:
        return models.Q()
    if user.staff_id is None:
        return models.Q(pk__in=[])
    mine = models.Q(owner=user.staff_id) | models.Q(adviser=user.staff_id)
    if user.data_scope == DataScope.OWN_COMMUNITIES:
        return mine
    return mine | models.Q(owner__department__in=Department.objects.below(user.staff))


class CommunityQuerySet(models.QuerySet["Community"]):
    def visible_to(self, user: User) -> CommunityQuerySet:
        """The communities of the user's enterprise that lie in the user's data scope."""
        return self.filter(enterprise_id=user.enterprise_id).filter(in_scope_of(user))

    def open_for_entry(self) -> CommunityQuerySet:
        return self.filter(status__in=OPEN_FOR_ENTRY)


class Community(models.Model):
    """What people, and what for. A group chat is only its carrier.

    Status moves only through ``communities.services.lifecycle.move_community``.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="communities", verbose_name=_("企业")
    )
    parent = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name=_("上级社群"),
    )
    code = models.SlugField(
        _("代码"), max_length=60, help_text=_("导入文件和链接里用它指这个社群，例如 vip-club。")
    )
    name = models.CharField(_("名称"), max_length=120)
    join_slug = models.SlugField(
        _("入群页地址"),
        max_length=80,
        db_default=Cast(RandomUUID(), models.CharField()),
        unique=True,
        editable=False,
        help_text=_("公开入群页 /join/… 的最后一段，在所有企业中唯一，建立后不变。"),
    )
    audience_statement = models.CharField(
        _("什么人"), max_length=300, blank=True, default="", help_text=_("这个社群是为谁建的。")
    )
    purpose_statement = models.CharField(
        _("做什么事"), max_length=300, blank=True, default="", help_text=_("大家在这里一起做什么。")
    )
    purpose_kind = models.CharField(
        _("目的类型"), max_length=20, choices=PurposeKind.choices, default=PurposeKind.SINGLE
    )
    kind = models.CharField(
        _("社群类型"), max_length=20, choices=CommunityKind.choices, default=CommunityKind.STANDARD
    )
    circle = models.CharField(
        _("圈层"), max_length=20, choices=Circle.choices, default=Circle.LIFESTYLE
    )
    classification_values = models.ManyToManyField(
        ClassificationValue, related_name="communities", blank=True, verbose_name=_("分类")
    )
    minimum_tier = models.ForeignKey(
        Tier,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="communities",
        verbose_name=_("最低层级"),
        help_text=_("只有达到这个层级门槛的成员才能进入；留空表示不限。"),
    )
    owner = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="owned_communities",
        verbose_name=_("负责人"),
    )
    adviser = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="advised_communities",
        verbose_name=_("顾问"),
    )
    backup_owner = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("备用群主"),
        help_text=_("群主离开时，转让规则可以让这位同事接手社群的客户群。"),
    )
    allowed_categories = ArrayField(
        models.CharField(max_length=20, choices=ContentCategory.choices),
        verbose_name=_("允许的内容类别"),
        default=list,
        db_default=models.Value([]),
        blank=True,
        help_text=_("留空表示都允许；服务类总是允许。"),
    )
    advert_share_limit = models.PositiveSmallIntegerField(
        _("广告占比上限（%）"),
        null=True,
        blank=True,
        help_text=_("近几天的消息里广告超过这个比例就不再发广告；留空用企业的规则。"),
    )
    minimum_size = models.PositiveIntegerField(_("最小规模"), default=30)
    target_size = models.PositiveIntegerField(_("目标规模"), default=500)
    status = models.CharField(
        _("状态"), max_length=20, choices=CommunityStatus.choices, default=CommunityStatus.DRAFT
    )
    created_at = models.DateTimeField(_("创建时间"), db_default=Now())

    objects = CommunityQuerySet.as_manager()

    class Meta:
        verbose_name = _("社群")
        verbose_name_plural = _("社群")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "code"],
                name="community_code_is_unique",
                violation_error_message=_("已有相同代码的社群。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=CommunityStatus.values),
                name="community_status_is_known",
                violation_error_message=_("未知的社群状态。"),
            ),
            models.CheckConstraint(
                condition=models.Q(parent=None) | ~models.Q(parent=models.F("id")),
                name="community_is_not_its_own_parent",
                violation_error_message=_("社群不能是自己的上级。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=[CommunityStatus.DRAFT, CommunityStatus.CANCELLED])
                | (
                    ~models.Q(audience_statement="")
                    & ~models.Q(purpose_statement="")
                    & models.Q(owner__isnull=False)
                ),
                name="community_beyond_draft_is_stated_and_owned",
                violation_error_message=_("离开草稿前必须写明“什么人”“做什么事”并指定负责人。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name
