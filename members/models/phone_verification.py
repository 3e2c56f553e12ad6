from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models import Enterprise, User
from scrm.shared.crypto import EncryptedTextField


class PhoneVerificationQuerySet(models.QuerySet["PhoneVerification"]):
    def visible_to(self, user: User) -> PhoneVerificationQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class PhoneVerification(models.Model):
    """A one-time code sent to a phone on the join page: who can read it owns the number.

    The number is encrypted, the code kept only as a digest; ``sandbox_code`` is filled when no
    real sender is set up, so that the page can be tried.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    phone = EncryptedTextField(_("手机号"))
    phone_digest = models.CharField(max_length=64, editable=False)
    code_digest = models.CharField(max_length=64, editable=False)
    sandbox_code = models.CharField(_("沙盒验证码"), max_length=8, blank=True, default="")
    attempt_count = models.PositiveSmallIntegerField(_("已尝试"), default=0)
    sent_at = models.DateTimeField(_("发送时间"), db_default=Now())
    expires_at = models.DateTimeField(_("到期"))
    verified_at = models.DateTimeField(_("验证时间"), null=True, blank=True)

    objects = PhoneVerificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("手机验证")
        verbose_name_plural = _("手机验证")
        indexes = [
            # the latest code of a phone
            models.Index(fields=["enterprise", "phone_digest", "-id"], name="latest_phone_code"),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
