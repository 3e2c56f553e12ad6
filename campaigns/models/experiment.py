from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.models.broadcast import Broadcast
from campaigns.rules.experiments import (
    ExperimentKind,
    ExperimentMetric,
    ExperimentStatus,
    ExperimentUnit,
)
from scrm.accounts.models import User


class ExperimentQuerySet(models.QuerySet["Experiment"]):
    def visible_to(self, user: User) -> ExperimentQuerySet:
        return self.filter(broadcast__in=Broadcast.objects.visible_to(user))


class Experiment(models.Model):
    """A broadcast in several arms, compared by one metric that was chosen before.

    Who is in which arm follows from ``salt`` and the unit's id alone. Arm 0 gets nothing. Until
    ``ends_at`` there is no verdict, only the always-valid sequence.
    """

    broadcast = models.OneToOneField(
        Broadcast, on_delete=models.CASCADE, related_name="experiment", verbose_name=_("群发")
    )
    kind = models.CharField(_("比较什么"), max_length=20, choices=ExperimentKind.choices)
    unit = models.CharField(_("分组单位"), max_length=20, choices=ExperimentUnit.choices)
    metric = models.CharField(_("主要指标"), max_length=20, choices=ExperimentMetric.choices)
    window_hours = models.PositiveSmallIntegerField(
        _("观察几小时"), default=72, help_text=_("发出后这么久之内的反应算数。")
    )
    holdout_percent = models.PositiveSmallIntegerField(_("不发送的对照组（%）"), default=0)
    salt = models.CharField(max_length=32, editable=False)
    status = models.CharField(
        _("状态"),
        max_length=20,
        choices=ExperimentStatus.choices,
        default=ExperimentStatus.DRAFT,
    )
    starts_on = models.DateField(_("第一天"), null=True, blank=True, editable=False)
    planned_days = models.PositiveSmallIntegerField(
        _("计划天数"), default=7, help_text=_("按整周；轮换实验至少 28 天。")
    )
    ends_at = models.DateTimeField(_("下结论的时间"), null=True, blank=True, editable=False)
    winner = models.PositiveSmallIntegerField(_("胜者"), null=True, blank=True, editable=False)
    decided_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("决定人"),
    )
    result = models.JSONField(_("结果"), null=True, blank=True, editable=False)
    result_at = models.DateTimeField(_("结果时间"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("创建时间"), db_default=Now())

    objects = ExperimentQuerySet.as_manager()

    class Meta:
        verbose_name = _("实验")
        verbose_name_plural = _("实验")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=ExperimentStatus.values),
                name="experiment_status_is_known",
                violation_error_message=_("未知的实验状态。"),
            ),
            models.CheckConstraint(
                condition=models.Q(holdout_percent__lte=50),
                name="holdout_is_at_most_half",
                violation_error_message=_("对照组最多 50%。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class ExperimentArm(models.Model):
    """One variant, from number 1 on. What is empty is as the broadcast says."""

    experiment = models.ForeignKey(
        Experiment, on_delete=models.CASCADE, related_name="arms", verbose_name=_("实验")
    )
    number = models.PositiveSmallIntegerField(_("组"))
    name = models.CharField(_("名称"), max_length=60)
    weight = models.PositiveSmallIntegerField(_("份额"), default=1)
    body = models.TextField(_("文案"), max_length=4000, blank=True, default="")
    local_time = models.TimeField(_("发送时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("实验组")
        verbose_name_plural = _("实验组")
        constraints = [
            models.UniqueConstraint(
                fields=["experiment", "number"],
                name="arm_number_is_unique",
                violation_error_message=_("组号重复。"),
            ),
            models.CheckConstraint(
                condition=models.Q(number__gte=1, weight__gte=1),
                name="arm_has_a_share",
                violation_error_message=_("份额至少为 1。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name} ({self.pk})"
