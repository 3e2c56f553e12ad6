from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models.enterprise import Enterprise, Staff
from scrm.accounts.models.user import User
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.rules.roles import DataScope


class OperatorTaskQuerySet(models.QuerySet["OperatorTask"]):
    def visible_to(self, user: User) -> OperatorTaskQuerySet:
        """All of the enterprise; with a narrower data scope only one's own."""
        tasks = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return tasks
        return tasks.filter(assignee__isnull=False, assignee=user.staff_id)

    def open(self) -> OperatorTaskQuerySet:
        return self.filter(status=TaskStatus.OPEN)

    def overdue(self, now: datetime) -> OperatorTaskQuerySet:
        return self.open().filter(due_at__lt=now)


class OperatorTask(models.Model):
    """Something that only a person can do, and why: what the platform or a rule leaves to us.

    One open task per kind and subject, however often its cause is seen again. The subject is
    named as in the audit, because tasks are about rows of every app.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="operator_tasks", verbose_name=_("企业")
    )
    kind = models.CharField(_("类型"), max_length=40, choices=TaskKind.choices)
    object_type = models.CharField(_("对象类型"), max_length=60)
    object_id = models.BigIntegerField(_("对象编号"))
    title = models.CharField(_("要做什么"), max_length=200)
    details = models.JSONField(_("依据"), default=dict, blank=True)
    assignee = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="operator_tasks",
        verbose_name=_("负责人"),
    )
    status = models.CharField(
        _("状态"), max_length=20, choices=TaskStatus.choices, default=TaskStatus.OPEN
    )
    due_at = models.DateTimeField(_("截止时间"), null=True, blank=True)
    created_at = models.DateTimeField(_("建立时间"), db_default=Now())
    closed_at = models.DateTimeField(_("结束时间"), null=True, blank=True)
    closed_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("处理人"),
        help_text=_("空表示原因消失，由系统结束。"),
    )
    note = models.CharField(_("处理说明"), max_length=300, blank=True, default="")

    objects = OperatorTaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("待办")
        verbose_name_plural = _("待办")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "kind", "object_type", "object_id"],
                condition=models.Q(status=TaskStatus.OPEN),
                name="one_open_task_per_subject",
                violation_error_message=_("这件事已有一个未完成的待办。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=TaskStatus.values),
                name="operator_task_status_is_known",
                violation_error_message=_("未知的待办状态。"),
            ),
        ]
        indexes = [
            # the list of an enterprise, open ones first
            models.Index(fields=["enterprise", "status", "-id"], name="tasks_of_enterprise"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.pk})"
