from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models import Enterprise
from scrm.shared.crypto import EncryptedTextField
from scrm.wecom.models.connection import WecomConnection
from scrm.wecom.rules.status import EventState

if TYPE_CHECKING:
    from scrm.accounts.models import User


class InboundEventQuerySet(models.QuerySet["InboundEvent"]):
    def visible_to(self, user: User) -> InboundEventQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class InboundEvent(models.Model):
    """One callback as it arrived, stored before it was answered. Never deleted.

    ``occurred_at`` is the platform's CreateTime. The payload is the decrypted document; it holds
    personal data and is emptied after ``settings.WECOM_PAYLOAD_DAYS``.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    connection = models.ForeignKey(
        WecomConnection,
        on_delete=models.PROTECT,
        related_name="inbound_events",
        verbose_name=_("企业微信连接"),
    )
    dedupe_key = models.CharField(max_length=64, editable=False)
    event = models.CharField(_("事件"), max_length=64)
    change_type = models.CharField(_("变更类型"), max_length=64, blank=True, default="")
    detail = models.CharField(_("变更内容"), max_length=64, blank=True, default="")
    subject = models.CharField(
        _("对象"), max_length=128, blank=True, default="", help_text=_("群、客户或员工的平台编号。")
    )
    occurred_at = models.DateTimeField(_("发生时间"), null=True, blank=True)
    received_at = models.DateTimeField(_("收到时间"), db_default=Now())
    payload = EncryptedTextField(_("原文"), blank=True, default="")
    payload_emptied_at = models.DateTimeField(
        _("原文清除"), null=True, blank=True, help_text=_("个人信息到期后只留下事件本身。")
    )
    state = models.CharField(
        _("状态"),
        max_length=20,
        choices=EventState.choices,
        default=EventState.WAITING,
        db_default=EventState.WAITING,
    )
    reason = models.CharField(_("原因"), max_length=200, blank=True, default="", db_default="")
    attempt_count = models.PositiveSmallIntegerField(_("尝试次数"), default=0, db_default=0)
    due_at = models.DateTimeField(_("到期时间"), db_default=Now(), editable=False)
    token = models.UUIDField(null=True, blank=True, editable=False)
    settled_at = models.DateTimeField(_("处理完成"), null=True, blank=True)

    objects = InboundEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("平台回调")
        verbose_name_plural = _("平台回调")
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "dedupe_key"],
                name="callback_is_stored_once",
                violation_error_message=_("这条回调已经收到过。"),
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=EventState.values),
                name="inbound_event_state_is_known",
                violation_error_message=_("未知的处理状态。"),
            ),
        ]
        indexes = [
            models.Index(
                fields=["connection", "due_at", "id"],
                condition=models.Q(state="waiting", attempt_count=0),
                name="inbound_events_new",
            ),
            models.Index(
                fields=["connection", "due_at", "id"],
                condition=models.Q(state="waiting", attempt_count__gt=0),
                name="inbound_events_tried",
            ),
            # the inbox of an enterprise, newest first
            models.Index(fields=["enterprise", "-id"], name="inbox_of_enterprise"),
            models.Index(
                fields=["enterprise", "-id"],
                condition=models.Q(state__in=["failed", "ignored"]),
                name="inbox_in_trouble",
            ),
            # whose payload is to be emptied
            models.Index(
                fields=["received_at"],
                condition=models.Q(payload_emptied_at=None),
                name="inbound_payloads_kept",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.change_type} ({self.pk})"
