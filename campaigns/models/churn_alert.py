from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaigns.rules.status import (
    OPEN_ALERT,
    AlertCause,
    AlertOutcome,
    AlertStatus,
    ValueBasis,
)
from communities.models import Community
from members.models import Member
from scrm.accounts.models import Enterprise, Staff

if TYPE_CHECKING:
    from scrm.accounts.models import User


# Value times risk: what doing nothing is expected to cost.
STAKE = models.ExpressionWrapper(
    models.F("value_amount") * models.F("probability"), output_field=models.FloatField()
)


class ChurnAlertQuerySet(models.QuerySet["ChurnAlert"]):
    def within(self, user: User) -> ChurnAlertQuerySet:
        """All that the user's data scope holds, with those that nobody is to act on."""
        return self.filter(community__in=Community.objects.visible_to(user))

    def visible_to(self, user: User) -> ChurnAlertQuerySet:
        """Whom nobody is to contact nobody sees, until it is known what became of them."""
        blinded = models.Q(is_held_out=True, outcome="")
        return self.within(user).exclude(blinded)

    def undecided(self) -> ChurnAlertQuerySet:
        return self.filter(outcome="")

    def open(self) -> ChurnAlertQuerySet:
        return self.filter(status__in=OPEN_ALERT)

    def with_stake(self) -> ChurnAlertQuerySet:
        return self.annotate(stake=STAKE)

    def by_stake(self) -> ChurnAlertQuerySet:
        """The most at stake first; among the worthless the likeliest first."""
        return self.annotate(stake=STAKE).order_by("-stake", "-probability", "-pk")


class ChurnAlert(models.Model):
    """A member about to fall silent, why we think so, and who looks after it."""

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,  # the index of quality begins with it
        verbose_name=_("企业"),
    )
    community = models.ForeignKey(
        Community,
        on_delete=models.PROTECT,
        related_name="churn_alerts",
        db_index=False,  # the index of the worklist begins with it
        verbose_name=_("社群"),
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="churn_alerts",
        db_index=False,  # the index of the cooldown begins with it
        verbose_name=_("成员"),
    )
    assignee = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="churn_alerts",
        verbose_name=_("负责人"),
    )
    status = models.CharField(
        _("状态"), max_length=20, choices=AlertStatus.choices, default=AlertStatus.OPEN
    )
    outcome = models.CharField(
        _("结果"),
        max_length=20,
        choices=AlertOutcome.choices,
        blank=True,
        default="",
        db_default="",
        help_text=_("观察期结束后成员怎样了；被忽略的预警也会有结果。空表示还没到时候。"),
    )
    probability = models.FloatField(_("流失概率"))
    value_amount = models.BigIntegerField(
        _("成员价值（分）"), default=0, help_text=_("预计价值；没有模型时是近一年净消费。")
    )
    value_basis = models.CharField(
        _("价值依据"),
        max_length=10,
        choices=ValueBasis.choices,
        default=ValueBasis.SPENT,
        db_default=ValueBasis.SPENT,
    )
    cause = models.CharField(
        _("预警依据"),
        max_length=20,
        choices=AlertCause.choices,
        default=AlertCause.THRESHOLD,
        db_default=AlertCause.THRESHOLD,
    )
    is_held_out = models.BooleanField(
        _("不干预的对照"), default=False, db_default=False, help_text=_("只观察，不联系。")
    )
    reasons = models.JSONField(_("原因"), default=list)
    last_active_on = models.DateField(_("最近活跃日"), null=True, blank=True)
    model_version = models.CharField(_("模型版本"), max_length=60)
    opened_on = models.DateField(_("预警日"))
    opened_at = models.DateTimeField(_("生成时间"), db_default=Now())
    closed_at = models.DateTimeField(_("关闭时间"), null=True, blank=True)
    note = models.CharField(_("备注"), max_length=300, blank=True, default="")

    objects = ChurnAlertQuerySet.as_manager()

    class Meta:
        verbose_name = _("流失预警")
        verbose_name_plural = _("流失预警")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "community"],
                condition=models.Q(status__in=sorted(OPEN_ALERT)),
                name="one_open_alert",
                violation_error_message=_("这位成员在这个社群已有未关闭的预警。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=AlertStatus.values),
                name="alert_status_is_known",
                violation_error_message=_("未知的预警状态。"),
            ),
            models.CheckConstraint(
                condition=models.Q(cause__in=AlertCause.values)
                & models.Q(value_basis__in=ValueBasis.values),
                name="alert_cause_is_known",
                violation_error_message=_("未知的预警依据。"),
            ),
            models.CheckConstraint(
                condition=models.Q(outcome="") | models.Q(outcome__in=AlertOutcome.values),
                name="alert_outcome_is_known",
                violation_error_message=_("未知的预警结果。"),
            ),
        ]
        indexes = [
            # the worklist of a community
            models.Index(fields=["community", "status", "-probability"], name="alert_worklist"),
            # whose end can be told
            models.Index(
                fields=["community", "id"],
                condition=models.Q(outcome=""),
                name="undecided_alerts",
            ),
            # the cooldown of a member
            models.Index(fields=["member", "community", "-closed_at"], name="alerts_of_member"),
            # the quality of a month
            models.Index(fields=["enterprise", "opened_on"], name="alerts_by_day"),
        ]

    def __str__(self) -> str:
        return gettext("预警 #%(id)s") % {"id": self.pk}
