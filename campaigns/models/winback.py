from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.models.broadcast import Broadcast
from campaigns.models.churn_alert import ChurnAlert
from campaigns.rules.alerts import COOLDOWN_DAYS, PROBABILITY_THRESHOLD
from campaigns.rules.winback import WinbackKind, WinbackStatus
from communities.models import Community
from scrm.accounts.models import Enterprise, OperatorTask, User


class WinbackPolicyQuerySet(models.QuerySet["WinbackPolicy"]):
    def visible_to(self, user: User) -> WinbackPolicyQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class WinbackPolicy(models.Model):
    """When an alert is raised, and how many of them nobody acts on so that the effect is known.

    Without a community it is the enterprise's. Without any row the defaults of ``rules`` hold.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    community = models.ForeignKey(
        Community,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("社群"),
        help_text=_("留空表示全企业。"),
    )
    threshold_percent = models.PositiveSmallIntegerField(
        _("预警阈值（%）"), default=round(100 * PROBABILITY_THRESHOLD)
    )
    top_percent = models.PositiveSmallIntegerField(
        _("价值 × 风险前百分之几"),
        default=10,
        help_text=_("概率不到阈值但损失期望最高的这部分也预警；0 表示不用。"),
    )
    holdout_percent = models.PositiveSmallIntegerField(
        _("不干预的对照（%）"), default=5, help_text=_("5 到 10；用来知道挽回是不是真的有用。")
    )
    cooldown_days = models.PositiveSmallIntegerField(_("冷却天数"), default=COOLDOWN_DAYS)

    objects = WinbackPolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("流失预警规则")
        verbose_name_plural = _("流失预警规则")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "community"],
                nulls_distinct=False,
                name="one_winback_policy",
                violation_error_message=_("这个范围已有规则。"),
            ),
            models.CheckConstraint(
                condition=models.Q(
                    threshold_percent__range=(5, 95),
                    top_percent__lte=50,
                    holdout_percent__range=(5, 10),
                    cooldown_days__range=(7, 365),
                ),
                name="winback_policy_is_within_reason",
                violation_error_message=_(
                    "阈值 5–95，前 0–50，对照 5–10（都是百分数）；冷却 7–365 天。"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class WinbackActionQuerySet(models.QuerySet["WinbackAction"]):
    def visible_to(self, user: User) -> WinbackActionQuerySet:
        return self.filter(alert__in=ChurnAlert.objects.visible_to(user))


class WinbackAction(models.Model):
    """What was done to keep the member of an alert: a call, a message or a benefit, and what
    became of it. A message goes through a broadcast and its guards."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    alert = models.ForeignKey(
        ChurnAlert, on_delete=models.PROTECT, related_name="actions", verbose_name=_("流失预警")
    )
    kind = models.CharField(_("方式"), max_length=20, choices=WinbackKind.choices)
    status = models.CharField(
        _("状态"), max_length=20, choices=WinbackStatus.choices, default=WinbackStatus.PLANNED
    )
    broadcast = models.ForeignKey(
        Broadcast,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="winback_actions",
        verbose_name=_("群发"),
    )
    task = models.ForeignKey(
        OperatorTask,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("待办"),
    )
    benefit = models.CharField(
        _("权益"), max_length=200, blank=True, default="", help_text=_("例如优惠券的名称或批次号。")
    )
    cost_amount = models.BigIntegerField(_("成本（分）"), default=0)
    note = models.CharField(_("备注"), max_length=300, blank=True, default="")
    reason = models.CharField(_("未执行原因"), max_length=40, blank=True, default="")
    created_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("发起人"),
    )
    created_at = models.DateTimeField(_("发起时间"), db_default=Now())
    done_at = models.DateTimeField(_("完成时间"), null=True, blank=True)

    objects = WinbackActionQuerySet.as_manager()

    class Meta:
        verbose_name = _("挽回动作")
        verbose_name_plural = _("挽回动作")
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "kind"],
                condition=models.Q(status=WinbackStatus.PLANNED),
                name="one_planned_winback_of_a_kind",
                violation_error_message=_("这条预警已有同样的待执行动作。"),
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=WinbackKind.values)
                & models.Q(status__in=WinbackStatus.values)
                & models.Q(cost_amount__gte=0),
                name="winback_action_is_known",
                violation_error_message=_("未知的方式或状态，或成本为负。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
