from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models import Community
from members.models.activity import in_communities_of
from members.models.member import Member
from members.rules.churn import RiskBand
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from scrm.accounts.models import User


class ChurnScoreQuerySet(models.QuerySet["ChurnScore"]):
    def visible_to(self, user: User) -> ChurnScoreQuerySet:
        return self.filter(in_communities_of(user))

    def of_day(self, community_id: int, day: date) -> ChurnScoreQuerySet:
        return self.filter(community_id=community_id, scored_on=day)


class ChurnScore(models.Model):
    """The latest probability that a member of a measured community falls silent for 28 days.

    Made from the days before ``scored_on``. A member who has left, or of whom fewer than two
    active days are known, has none.
    """

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,  # the index of the list begins with it
        verbose_name=_("企业"),
    )
    community = models.ForeignKey(
        Community,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,  # the unique constraint begins with it
        verbose_name=_("社群"),
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="churn_scores", verbose_name=_("成员")
    )
    probability = models.FloatField(_("流失概率"))
    band = models.CharField(_("风险"), max_length=10, choices=RiskBand.choices)
    reasons = models.JSONField(
        _("原因"),
        default=list,
        help_text=_("推高风险最多的几项：代码、数值、对结果的影响。"),
    )
    last_active_on = models.DateField(_("最近活跃日"), null=True, blank=True)
    scored_on = models.DateField(_("评分日"))
    model_version = models.CharField(_("模型版本"), max_length=40)

    objects = ChurnScoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("流失评分")
        verbose_name_plural = _("流失评分")
        constraints = [
            models.UniqueConstraint(
                fields=["community", "member"],
                name="one_score_per_member_and_community",
                violation_error_message=_("这位成员在这个社群已有评分。"),
            ),
            models.CheckConstraint(
                condition=models.Q(probability__gte=0) & models.Q(probability__lte=1),
                name="churn_probability_is_a_probability",
                violation_error_message=_("概率必须在 0 到 1 之间。"),
            ),
            models.CheckConstraint(
                condition=models.Q(band__in=RiskBand.values),
                name="churn_band_is_known",
                violation_error_message=_("未知的风险级别。"),
            ),
        ]
        indexes = [
            # the list of an enterprise, most at risk first
            models.Index(fields=["enterprise", "-probability", "-id"], name="most_at_risk_first"),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {self.probability:.2f} ({self.pk})"


class ScoringRunQuerySet(models.QuerySet["ScoringRun"]):
    def visible_to(self, user: User) -> ScoringRunQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)

    def claimable(self) -> ScoringRunQuerySet:
        """Not finished, and nobody is at it; by the database's clock."""
        return self.filter(finished_at=None).filter(
            models.Q(lease_until=None) | models.Q(lease_until__lt=Now())
        )


class ScoringRun(models.Model):
    """The scoring of one enterprise on one of its local days, and how far it has come."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="scoring_runs", verbose_name=_("企业")
    )
    day = models.DateField(_("评分日"))
    last_community_id = models.BigIntegerField(default=0, editable=False)
    last_member_id = models.BigIntegerField(default=0, editable=False)
    community_count = models.PositiveIntegerField(_("社群数"), default=0)
    member_count = models.PositiveBigIntegerField(_("成员数"), default=0)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(_("开始时间"), db_default=Now())
    finished_at = models.DateTimeField(_("完成时间"), null=True, blank=True)

    objects = ScoringRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("评分记录")
        verbose_name_plural = _("评分记录")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "day"],
                name="one_scoring_run_per_day",
                violation_error_message=_("这一天已有评分记录。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.enterprise_id} {self.day} ({self.pk})"
