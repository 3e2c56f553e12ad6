from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models import Enterprise
from scrm.shared.crypto import EncryptedTextField
from scrm.wecom.models.channel_account import ChannelAccount
from scrm.wecom.rules.status import ConnectionState, Platform

if TYPE_CHECKING:
    from scrm.accounts.models import User


class WecomConnectionQuerySet(models.QuerySet["WecomConnection"]):
    def visible_to(self, user: User) -> WecomConnectionQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)

    def in_use(self) -> WecomConnectionQuerySet:
        """Those that call the platform and listen to it."""
        return self.exclude(state=ConnectionState.PAUSED)


class WecomConnection(models.Model):
    """One company on WeCom, as its self-built app sees it: what it takes to call and to listen."""

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="wecom_connections",
        verbose_name=_("企业"),
    )
    account = models.OneToOneField(
        ChannelAccount,
        on_delete=models.PROTECT,
        related_name="connection",
        verbose_name=_("渠道账号"),
    )
    platform = models.CharField(
        _("平台"), max_length=20, choices=Platform.choices, default=Platform.OFFICIAL
    )
    corp_id = models.CharField(_("企业 ID（corpid）"), max_length=64)
    agent_id = models.PositiveIntegerField(_("应用 AgentId"))
    app_secret = EncryptedTextField(_("应用 Secret"), help_text=_("加密保存，填写后不再显示。"))
    callback_key = models.CharField(
        _("回调地址中的编号"),
        max_length=43,
        unique=True,
        editable=False,
        help_text=_("不可猜，但不是密钥。"),
    )
    callback_token = EncryptedTextField(_("回调 Token"))
    callback_aes_key = EncryptedTextField(_("回调 EncodingAESKey"))
    former_callback_token = EncryptedTextField(
        blank=True, default="", editable=False, help_text=_("换新后、平台保存新值前仍接受。")
    )
    former_callback_aes_key = EncryptedTextField(blank=True, default="", editable=False)
    state = models.CharField(
        _("状态"), max_length=20, choices=ConnectionState.choices, default=ConnectionState.DRAFT
    )
    state_code = models.CharField(
        _("原因代码"), max_length=40, blank=True, default="", help_text=_("平台给出的错误码。")
    )
    state_since = models.DateTimeField(_("状态自"), db_default=Now())
    clock_ahead = models.DurationField(
        default=timedelta(0),
        db_default=timedelta(0),
        editable=False,
        help_text=_("模拟平台的时钟比我们的快多少；正式平台总是 0。"),
    )
    callback_verified_at = models.DateTimeField(_("回调验证通过"), null=True, blank=True)
    created_at = models.DateTimeField(_("创建时间"), db_default=Now())

    objects = WecomConnectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("企业微信连接")
        verbose_name_plural = _("企业微信连接")
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "corp_id", "agent_id"],
                name="app_is_connected_once",
                violation_error_message=_("这个应用已经连接过。"),
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=ConnectionState.values),
                name="connection_state_is_known",
                violation_error_message=_("未知的连接状态。"),
            ),
            models.CheckConstraint(
                condition=models.Q(platform__in=Platform.values),
                name="connection_platform_is_known",
                violation_error_message=_("未知的平台。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} · {self.corp_id}"
