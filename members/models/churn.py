from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from django.db import models
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

    Made from the days before ``scored_on``. A member who has left, who may not be profiled, or of
    whom fewer than two active days are known, has none.
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
    model_version = models.CharField(_("模型版本"), max_length=60)

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
