from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from members.rules.daily_runs import DailyRunKind
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from scrm.accounts.models import User


class DailyRunQuerySet(models.QuerySet["DailyRun"]):
    def visible_to(self, user: User) -> DailyRunQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)

    def claimable(self) -> DailyRunQuerySet:
        """Not finished, and nobody is at it; by the database's clock."""
        return self.filter(finished_at=None).filter(
            models.Q(lease_until=None) | models.Q(lease_until__lt=Now())
        )


class DailyRun(models.Model):
    """One kind of computation for one enterprise on one of its local days, and how far it is."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="daily_runs", verbose_name=_("企业")
    )
    kind = models.CharField(
        _("类型"),
        max_length=20,
        choices=DailyRunKind.choices,
        default=DailyRunKind.SCORING,
        db_default=DailyRunKind.SCORING,
    )
    day = models.DateField(_("日期"))
    last_community_id = models.BigIntegerField(default=0, editable=False)
    last_member_id = models.BigIntegerField(default=0, editable=False)
    community_count = models.PositiveIntegerField(_("社群数"), default=0)
    member_count = models.PositiveBigIntegerField(_("成员数"), default=0)
    notes = models.JSONField(_("说明"), default=dict, db_default={}, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(_("开始时间"), db_default=Now())
    finished_at = models.DateTimeField(_("完成时间"), null=True, blank=True)

    objects = DailyRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("每日计算")
        verbose_name_plural = _("每日计算")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "kind", "day"],
                name="one_daily_run_of_a_kind",
                violation_error_message=_("这一天已有这种计算的记录。"),
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=DailyRunKind.values),
                name="daily_run_kind_is_known",
                violation_error_message=_("未知的计算类型。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.enterprise_id} {self.kind} {self.day} ({self.pk})"
