from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models import Enterprise, User
from scrm.wecom.models.connection import WecomConnection
from scrm.wecom.rules.status import SyncScope, SyncState

if TYPE_CHECKING:
    from datetime import datetime


class SyncRunQuerySet(models.QuerySet["SyncRun"]):
    def visible_to(self, user: User) -> SyncRunQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)

    def running(self) -> SyncRunQuerySet:
        return self.filter(state=SyncState.RUNNING)

    def silent_since(self, instant: datetime) -> SyncRunQuerySet:
        """Running, but nobody has worked on them since then: a worker died."""
        return self.running().filter(due_at__lt=instant)


class SyncRun(models.Model):
    """One reading of the platform, step by step, resumable at ``step`` and ``cursor``.

    ``counts`` holds, by step, what was expected, seen, added, changed and closed; ``drift`` what
    the events had not told us: the measure of how many of them were lost.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    connection = models.ForeignKey(
        WecomConnection,
        on_delete=models.PROTECT,
        related_name="sync_runs",
        verbose_name=_("企业微信连接"),
    )
    scope = models.CharField(
        _("范围"), max_length=20, choices=SyncScope.choices, default=SyncScope.FULL
    )
    state = models.CharField(
        _("状态"), max_length=20, choices=SyncState.choices, default=SyncState.RUNNING
    )
    step = models.CharField(_("步骤"), max_length=40, blank=True, default="")
    cursor = models.JSONField(default=dict, blank=True, editable=False)
    counts = models.JSONField(_("计数"), default=dict, blank=True)
    drift = models.JSONField(_("差异"), default=dict, blank=True)
    reason = models.CharField(_("原因"), max_length=300, blank=True, default="", db_default="")
    attempt_count = models.PositiveSmallIntegerField(_("连续失败"), default=0, db_default=0)
    requested_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("发起人"),
        help_text=_("空表示每晚自动。"),
    )
    due_at = models.DateTimeField(db_default=Now(), editable=False)
    token = models.UUIDField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(_("开始时间"), db_default=Now())
    finished_at = models.DateTimeField(_("结束时间"), null=True, blank=True)

    objects = SyncRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("同步记录")
        verbose_name_plural = _("同步记录")
        constraints = [
            models.UniqueConstraint(
                fields=["connection"],
                condition=models.Q(state="running"),
                name="one_running_sync_per_connection",
                violation_error_message=_("已有一个同步在进行。"),
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=SyncState.values),
                name="sync_run_state_is_known",
                violation_error_message=_("未知的同步状态。"),
            ),
        ]
        indexes = [
            models.Index(fields=["enterprise", "-id"], name="sync_runs_of_enterprise"),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
