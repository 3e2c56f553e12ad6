from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.rules.status import OPEN_WELCOME, WelcomeStatus
from communities.models import Community
from members.models import Stay
from scrm.accounts.models import Enterprise, User
from scrm.accounts.rules.roles import DataScope


class WelcomePolicyQuerySet(models.QuerySet["WelcomePolicy"]):
    def visible_to(self, user: User) -> WelcomePolicyQuerySet:
        policies = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return policies
        return policies.filter(community__in=Community.objects.visible_to(user))

    def active(self) -> WelcomePolicyQuerySet:
        return self.filter(is_active=True)

    def for_community(self, community: Community) -> WelcomePolicyQuerySet:
        """The policies in force there, the community's own before the enterprise's."""
        return (
            self.active()
            .filter(enterprise_id=community.enterprise_id)
            .filter(models.Q(community=community) | models.Q(community=None))
            .order_by(models.F("community").asc(nulls_last=True), "pk")
        )


class WelcomePolicy(models.Model):
    """What newcomers are told. The policy of the community wins over the enterprise's."""

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="welcome_policies",
        verbose_name=_("企业"),
    )
    community = models.ForeignKey(
        Community,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="welcome_policies",
        verbose_name=_("社群"),
        help_text=_("留空表示对所有没有专属欢迎语的社群生效。"),
    )
    body = models.TextField(
        _("欢迎语"), max_length=2000, help_text=_("可用变量：{{昵称}}、{{社群}}、{{群名}}。")
    )
    greets_imported = models.BooleanField(
        _("也欢迎导入的成员"),
        default=False,
        help_text=_("导入的多半是老成员；只有导入刚报名的人时才勾选。"),
    )
    is_active = models.BooleanField(_("启用"), default=True)
    created_at = models.DateTimeField(_("创建时间"), db_default=Now())

    objects = WelcomePolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("欢迎语")
        verbose_name_plural = _("欢迎语")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "community"],
                condition=models.Q(is_active=True),
                nulls_distinct=False,
                name="one_active_welcome_per_community",
                violation_error_message=_("这个社群已有启用的欢迎语。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.community or self.enterprise} ({self.pk})"


class WelcomeDeliveryQuerySet(models.QuerySet["WelcomeDelivery"]):
    def visible_to(self, user: User) -> WelcomeDeliveryQuerySet:
        return self.filter(stay__in=Stay.objects.visible_to(user))


class WelcomeDelivery(models.Model):
    """The welcome of one stay: at most one per step, whatever happens to workers.

    ``due_at`` says when it may next be claimed; ``token`` fences, as for a dispatch.
    """

    stay = models.ForeignKey(
        Stay, on_delete=models.PROTECT, related_name="welcomes", verbose_name=_("在群时段")
    )
    policy = models.ForeignKey(
        WelcomePolicy, on_delete=models.PROTECT, related_name="deliveries", verbose_name=_("欢迎语")
    )
    step = models.PositiveSmallIntegerField(_("第几天"), default=0)
    status = models.CharField(
        _("状态"), max_length=20, choices=WelcomeStatus.choices, default=WelcomeStatus.PLANNED
    )
    reason = models.CharField(_("原因"), max_length=60, blank=True, default="")
    due_at = models.DateTimeField(_("可领取时间"), db_default=Now())
    token = models.UUIDField(null=True, editable=False)
    attempt_count = models.PositiveIntegerField(_("尝试次数"), default=0)
    lost_count = models.PositiveIntegerField(_("中断次数"), default=0)
    planned_at = models.DateTimeField(_("计划时间"), db_default=Now())
    settled_at = models.DateTimeField(_("结果时间"), null=True, blank=True)

    objects = WelcomeDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("欢迎语发送")
        verbose_name_plural = _("欢迎语发送")
        constraints = [
            models.UniqueConstraint(
                fields=["stay", "step"],
                name="one_welcome_per_stay_and_step",
                violation_error_message=_("这次入群已有欢迎语。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=WelcomeStatus.values),
                name="welcome_status_is_known",
                violation_error_message=_("未知的欢迎语状态。"),
            ),
        ]
        indexes = [
            # the claim: what is due, oldest first
            models.Index(
                fields=["due_at", "id"],
                condition=models.Q(status__in=sorted(OPEN_WELCOME)),
                name="claimable_welcomes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stay_id}/{self.step} ({self.pk})"
