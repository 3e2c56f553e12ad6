from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models.enterprise import Enterprise
from scrm.accounts.models.user import User
from scrm.accounts.rules.roles import Capability


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def visible_to(self, user: User) -> ApiKeyQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)

    def usable(self, now: datetime) -> ApiKeyQuerySet:
        return self.filter(revoked_at=None, user__is_active=True).filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        )


class ApiKey(models.Model):
    """A secret for programs. Only its digest is kept; the key itself is shown once, at creation.

    It acts as its user and can do what both the user's role and its own scopes allow.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="api_keys", verbose_name=_("企业")
    )
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="api_keys", verbose_name=_("使用者")
    )
    name = models.CharField(_("名称"), max_length=120)
    prefix = models.CharField(_("前缀"), max_length=20)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(
        models.CharField(max_length=40, choices=Capability.choices),
        verbose_name=_("权限"),
        help_text=_("这把密钥可以使用的权限；不会超过使用者角色的权限。"),
    )
    created_at = models.DateTimeField(_("创建时间"), db_default=Now())
    expires_at = models.DateTimeField(_("到期时间"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("吊销时间"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("最近使用"), null=True, blank=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API 密钥")
        verbose_name_plural = _("API 密钥")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
