from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from scrm.wecom.models.connection import WecomConnection

if TYPE_CHECKING:
    from scrm.accounts.models import User


class ApiQuotaQuerySet(models.QuerySet["ApiQuota"]):
    def visible_to(self, user: User) -> ApiQuotaQuerySet:
        return self.filter(connection__enterprise_id=user.enterprise_id)


class ApiQuota(models.Model):
    """How much one API was used on one Beijing day, and whether the platform has parked it."""

    connection = models.ForeignKey(
        WecomConnection,
        on_delete=models.CASCADE,
        related_name="quotas",
        verbose_name=_("企业微信连接"),
    )
    api = models.CharField(_("接口"), max_length=80)
    day = models.DateField(_("日期"), help_text=_("北京时间。"))
    call_count = models.PositiveIntegerField(_("调用次数"), default=0, db_default=0)
    refused_count = models.PositiveIntegerField(_("被拒次数"), default=0, db_default=0)
    slowest_ms = models.PositiveIntegerField(_("最慢（毫秒）"), default=0, db_default=0)
    last_code = models.CharField(
        _("最近错误码"), max_length=20, blank=True, default="", db_default=""
    )
    last_refused_at = models.DateTimeField(_("最近被拒"), null=True, blank=True)
    parked_until = models.DateTimeField(_("暂停调用至"), null=True, blank=True)

    objects = ApiQuotaQuerySet.as_manager()

    class Meta:
        verbose_name = _("接口用量")
        verbose_name_plural = _("接口用量")
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "api", "day"],
                name="one_quota_row_per_api_and_day",
                violation_error_message=_("这一天已有记录。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.api} {self.day} ({self.pk})"
