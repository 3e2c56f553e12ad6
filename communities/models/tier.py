from __future__ import annotations

from decimal import Decimal

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models import Enterprise, User


class TierSchemeQuerySet(models.QuerySet["TierScheme"]):
    def visible_to(self, user: User) -> TierSchemeQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class TierScheme(models.Model):
    """An ordered set of tiers by which an enterprise ranks its members."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="tier_schemes", verbose_name=_("企业")
    )
    code = models.SlugField(
        _("代码"),
        max_length=40,
        db_default=Cast(RandomUUID(), models.CharField()),
        help_text=_("条件里用它指这个方案，例如 loyalty。"),
    )
    name = models.CharField(_("名称"), max_length=60)

    objects = TierSchemeQuerySet.as_manager()

    class Meta:
        verbose_name = _("分层方案")
        verbose_name_plural = _("分层方案")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "name"],
                name="tier_scheme_name_is_unique",
                violation_error_message=_("已有同名的分层方案。"),
            ),
            models.UniqueConstraint(
                fields=["enterprise", "code"],
                name="tier_scheme_code_is_unique",
                violation_error_message=_("已有相同代码的分层方案。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TierQuerySet(models.QuerySet["Tier"]):
    def visible_to(self, user: User) -> TierQuerySet:
        return self.filter(scheme__enterprise_id=user.enterprise_id)


class Tier(models.Model):
    """One rank of a scheme. Who meets the criterion belongs in it; the lowest has none."""

    scheme = models.ForeignKey(
        TierScheme, on_delete=models.CASCADE, related_name="tiers", verbose_name=_("方案")
    )
    rank = models.PositiveSmallIntegerField(_("级别"), help_text=_("数字越大，层级越高。"))
    name = models.CharField(_("名称"), max_length=60)
    criterion = models.JSONField(_("门槛"), default=dict, blank=True)
    keep_factor = models.DecimalField(
        _("保级系数"), max_digits=3, decimal_places=2, default=Decimal("0.90")
    )
    grace_days = models.PositiveSmallIntegerField(_("宽限天数"), default=14)

    objects = TierQuerySet.as_manager()

    class Meta:
        verbose_name = _("层级")
        verbose_name_plural = _("层级")
        constraints = [
            models.UniqueConstraint(
                fields=["scheme", "rank"],
                name="tier_rank_is_unique",
                violation_error_message=_("这个方案里已有相同级别的层级。"),
            ),
            models.CheckConstraint(
                condition=models.Q(keep_factor__gt=0) & models.Q(keep_factor__lte=1),
                name="tier_keep_factor_is_a_share",
                violation_error_message=_("保级系数必须大于 0 且不超过 1。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name
