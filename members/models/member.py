from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models import Community
from scrm.accounts.models import Enterprise
from scrm.accounts.rules.roles import DataScope
from scrm.shared.crypto import EncryptedTextField

if TYPE_CHECKING:
    from scrm.accounts.models import User


class MemberQuerySet(models.QuerySet["Member"]):
    def visible_to(self, user: User) -> MemberQuerySet:
        """Everybody in the enterprise, or with a narrower scope who is or was in a visible
        community."""
        members = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return members
        return members.filter(
            memberships__community__in=Community.objects.visible_to(user)
        ).distinct()


class Member(models.Model):
    """A customer known to the enterprise, whichever communities they are in."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="members", verbose_name=_("企业")
    )
    external_id = models.CharField(
        _("客户编号"),
        max_length=128,
        help_text=_("企业自己系统里的客户编号；导入和接口用它指这个人。"),
    )
    nickname = models.CharField(_("昵称"), max_length=120)
    phone = EncryptedTextField(_("手机号"), blank=True, default="")
    birthday = models.PositiveSmallIntegerField(
        _("生日"),
        null=True,
        blank=True,
        help_text=_("月和日，写成一个数：3 月 8 日是 308。年份不保存。"),
    )
    erased_at = models.DateTimeField(
        _("抹除时间"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("应本人要求抹除了个人信息；历史记录里只剩编号。"),
    )
    created_at = models.DateTimeField(_("建档时间"), db_default=Now())

    objects = MemberQuerySet.as_manager()

    class Meta:
        verbose_name = _("成员")
        verbose_name_plural = _("成员")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "external_id"],
                name="member_external_id_is_unique",
                violation_error_message=_("这个客户编号已存在。"),
            ),
            models.CheckConstraint(
                condition=models.Q(birthday=None) | models.Q(birthday__gte=101, birthday__lte=1231),
                name="birthday_is_a_day_of_the_year",
                violation_error_message=_("生日写成月和日，例如 308。"),
            ),
        ]
        indexes = [
            # whose birthday it is
            models.Index(
                fields=["enterprise", "birthday"],
                condition=models.Q(birthday__isnull=False),
                name="birthdays",
            ),
            # who is not written to any more: few
            models.Index(
                fields=["id"],
                condition=models.Q(erased_at__isnull=False),
                name="erased_members",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.nickname} ({self.pk})"


class IdentityKind(models.TextChoices):
    EXTERNAL_USERID = "external_userid", _("企业微信客户 ID")
    UNIONID = "unionid", _("微信 unionid")
    OPENID = "openid", _("小程序 openid")
    PHONE = "phone", _("手机号")


class MemberIdentity(models.Model):
    """A name by which an outside system knows a member, found by a keyed digest.

    ``value`` is kept only of those that calls to the platform need, and that mean nothing
    elsewhere: the external_userid.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    member = models.ForeignKey(
        Member, on_delete=models.CASCADE, related_name="identities", verbose_name=_("成员")
    )
    kind = models.CharField(_("类型"), max_length=20, choices=IdentityKind.choices)
    digest = models.CharField(max_length=64, editable=False)
    value = models.CharField(
        _("平台编号"), max_length=64, blank=True, default="", db_default="", editable=False
    )

    class Meta:
        verbose_name = _("成员身份")
        verbose_name_plural = _("成员身份")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "kind", "digest"],
                name="identity_belongs_to_one_member",
                violation_error_message=_("这个身份已属于另一位成员。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.pk})"
