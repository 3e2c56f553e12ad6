from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models import Enterprise, User
from scrm.shared.crypto import EncryptedTextField


class ChannelKind(models.TextChoices):
    SANDBOX = "sandbox", _("沙盒")
    WEBHOOK = "webhook", _("Webhook")
    WECOM = "wecom", _("企业微信")


class ChannelAccountQuerySet(models.QuerySet["ChannelAccount"]):
    def visible_to(self, user: User) -> ChannelAccountQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)

    def active(self) -> ChannelAccountQuerySet:
        return self.filter(is_active=True)


class ChannelAccount(models.Model):
    """One way out to an outside platform, with what it takes to speak to it."""

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="channel_accounts",
        verbose_name=_("企业"),
    )
    name = models.CharField(_("名称"), max_length=120)
    kind = models.CharField(_("类型"), max_length=20)
    is_active = models.BooleanField(_("启用"), default=True)
    endpoint = models.URLField(_("接收地址"), max_length=2048, blank=True, default="")
    secret = EncryptedTextField(
        _("签名密钥"), blank=True, default="", help_text=_("加密保存，填写后不再显示。")
    )
    delay_ms = models.PositiveIntegerField(
        _("模拟延迟（毫秒）"), default=0, help_text=_("仅沙盒：每次发送等待多久。")
    )
    failure_percent = models.PositiveSmallIntegerField(
        _("模拟失败率（%）"), default=0, help_text=_("仅沙盒：多少收件人会失败。")
    )
    rate_per_second = models.PositiveIntegerField(
        _("每秒最多"),
        null=True,
        blank=True,
        help_text=_("每秒最多发给多少收件人；留空表示不限。"),
    )
    rate_burst = models.PositiveIntegerField(
        _("突发"),
        default=0,
        db_default=0,
        help_text=_("空闲之后可以一次多发多少；0 表示和每秒一样。"),
    )
    created_at = models.DateTimeField(_("创建时间"), db_default=Now())

    objects = ChannelAccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("渠道账号")
        verbose_name_plural = _("渠道账号")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "name"],
                name="channel_account_name_is_unique",
                violation_error_message=_("已有同名的渠道账号。"),
            ),
            models.CheckConstraint(
                condition=models.Q(failure_percent__lte=100),
                name="channel_failure_percent_is_a_percentage",
                violation_error_message=_("失败率必须在 0 到 100 之间。"),
            ),
            models.CheckConstraint(
                condition=models.Q(delay_ms__lte=60_000),
                name="channel_delay_is_at_most_a_minute",
                violation_error_message=_("模拟延迟最多 60000 毫秒。"),
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="webhook") | ~models.Q(endpoint=""),
                name="webhook_channel_has_an_endpoint",
                violation_error_message=_("Webhook 渠道必须填写接收地址。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name
