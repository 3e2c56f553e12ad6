from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models.api_key import ApiKey
from scrm.accounts.models.enterprise import Enterprise
from scrm.accounts.models.user import User


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def visible_to(self, user: User) -> AuditEventQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class AuditEvent(models.Model):
    """Who did what to which object, and what it was before and after. Append-only:
    a database trigger refuses UPDATE and DELETE."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    actor = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("操作人"),
        help_text=_("空表示系统自动执行。"),
    )
    api_key = models.ForeignKey(
        ApiKey,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("API 密钥"),
    )
    verb = models.CharField(_("动作"), max_length=60)
    object_type = models.CharField(_("对象类型"), max_length=60)
    object_id = models.BigIntegerField(_("对象编号"))
    before = models.JSONField(_("之前"), default=dict)
    after = models.JSONField(_("之后"), default=dict)
    happened_at = models.DateTimeField(_("时间"), db_default=Now())

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("操作记录")
        verbose_name_plural = _("操作记录")
        indexes = [
            # the history of one object, newest first
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_of_object"),
            # the audit page of one enterprise, newest first
            models.Index(fields=["enterprise", "-id"], name="audit_of_enterprise"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.object_type} {self.object_id} ({self.pk})"
