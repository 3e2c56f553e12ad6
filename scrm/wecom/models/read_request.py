from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.wecom.models.connection import WecomConnection
from scrm.wecom.rules.status import ReadKind, ReadState

if TYPE_CHECKING:
    from scrm.accounts.models import User


class ReadRequestQuerySet(models.QuerySet["ReadRequest"]):
    def visible_to(self, user: User) -> ReadRequestQuerySet:
        return self.filter(connection__enterprise_id=user.enterprise_id)


class ReadRequest(models.Model):
    """Something on the platform that has changed and is to be read again; gone once it was.

    One row per object however many events ask for it. ``number`` grows with each request, so a
    read that began before the last one does not count as its answer; nor does one that began
    before ``ripe_at``, because the platform shows a change only some moments later.
    """

    connection = models.ForeignKey(
        WecomConnection,
        on_delete=models.CASCADE,
        related_name="read_requests",
        verbose_name=_("企业微信连接"),
    )
    kind = models.CharField(_("类型"), max_length=20, choices=ReadKind.choices)
    external_id = models.CharField(_("平台编号"), max_length=128)
    wanted_version = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("事件所说的成员版本；读到别的版本说明平台还没更新。"),
    )
    number = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    state = models.CharField(
        _("状态"),
        max_length=20,
        choices=ReadState.choices,
        default=ReadState.WAITING,
        db_default=ReadState.WAITING,
    )
    attempt_count = models.PositiveSmallIntegerField(_("尝试次数"), default=0, db_default=0)
    lost_count = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    reason = models.CharField(_("原因"), max_length=200, blank=True, default="", db_default="")
    due_at = models.DateTimeField(_("到期时间"), db_default=Now())
    ripe_at = models.DateTimeField(db_default=Now(), editable=False)
    token = models.UUIDField(null=True, blank=True, editable=False)
    requested_at = models.DateTimeField(_("提出时间"), db_default=Now())

    objects = ReadRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("待读取对象")
        verbose_name_plural = _("待读取对象")
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "kind", "external_id"],
                name="object_is_read_once",
                violation_error_message=_("这个对象已在等待读取。"),
            ),
        ]
        indexes = [
            models.Index(
                fields=["connection", "due_at", "id"],
                condition=models.Q(state="waiting"),
                name="read_requests_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.external_id} ({self.pk})"
