from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.models.welcome import WelcomePolicy
from campaigns.rules.status import WelcomeStatus
from members.models import Follow
from scrm.accounts.models import Enterprise, User
from scrm.shared.crypto import EncryptedTextField


class ContactWelcomeQuerySet(models.QuerySet["ContactWelcome"]):
    def visible_to(self, user: User) -> ContactWelcomeQuerySet:
        return self.filter(follow__in=Follow.objects.visible_to(user))


class ContactWelcome(models.Model):
    """The one message that the platform lets us send to a new contact, within 20 seconds.

    It is handed over at most once: an answer that never came is not asked for again. ``code`` is
    the platform's permission; it is emptied as soon as it is of no more use.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    follow = models.ForeignKey(
        Follow,
        on_delete=models.PROTECT,
        related_name="contact_welcomes",
        verbose_name=_("跟进关系"),
    )
    policy = models.ForeignKey(
        WelcomePolicy,
        on_delete=models.PROTECT,
        related_name="contact_welcomes",
        verbose_name=_("欢迎语"),
    )
    code = EncryptedTextField(blank=True, default="", editable=False)
    status = models.CharField(
        _("状态"), max_length=20, choices=WelcomeStatus.choices, default=WelcomeStatus.PLANNED
    )
    reason = models.CharField(_("原因"), max_length=60, blank=True, default="")
    occurred_at = models.DateTimeField(_("加好友时间"))
    expires_at = models.DateTimeField(_("截止时间"), help_text=_("平台只允许 20 秒内发送。"))
    planned_at = models.DateTimeField(_("计划时间"), db_default=Now())
    settled_at = models.DateTimeField(_("结果时间"), null=True, blank=True)

    objects = ContactWelcomeQuerySet.as_manager()

    class Meta:
        verbose_name = _("好友欢迎语发送")
        verbose_name_plural = _("好友欢迎语发送")
        constraints = [
            models.UniqueConstraint(
                fields=["follow", "occurred_at"],
                name="one_welcome_per_new_contact",
                violation_error_message=_("这次加好友已有欢迎语。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=WelcomeStatus.values),
                name="contact_welcome_status_is_known",
                violation_error_message=_("未知的欢迎语状态。"),
            ),
        ]
        indexes = [
            # what is to be sent, or to be given up
            models.Index(
                fields=["expires_at", "id"],
                condition=models.Q(status__in=["planned", "sending"]),
                name="open_contact_welcomes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
