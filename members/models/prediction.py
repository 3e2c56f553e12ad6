from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models import Community
from members.models.activity import in_communities_of
from members.models.member import Member
from members.rules.predictions import ModelKind, ModelStatus
from scrm.accounts.models import Enterprise
from scrm.accounts.rules.roles import DataScope

if TYPE_CHECKING:
    from scrm.accounts.models import User


class PredictionModelQuerySet(models.QuerySet["PredictionModel"]):
    def visible_to(self, user: User) -> PredictionModelQuerySet:
        mine = self.filter(enterprise=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return mine
        visible = Community.objects.visible_to(user)
        return mine.filter(models.Q(community=None) | models.Q(community__in=visible))

    def active(self) -> PredictionModelQuerySet:
        return self.filter(status=ModelStatus.ACTIVE)


class PredictionModel(models.Model):
    """A fitted model: coefficients as JSON, on what it was fitted and how well it did.

    Without a community it is the enterprise's own, for everybody who has none of theirs. Rows are
    never changed but for the status: what a score says can always be computed again.
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
    )
    kind = models.CharField(_("模型"), max_length=20, choices=ModelKind.choices)
    version = models.CharField(_("版本"), max_length=60)
    status = models.CharField(
        _("状态"), max_length=20, choices=ModelStatus.choices, default=ModelStatus.CANDIDATE
    )
    parameters = models.JSONField(_("参数"), default=dict)
    figures = models.JSONField(_("拟合指标"), default=dict)
    notes = models.JSONField(
        _("说明"), default=list, help_text=_("为什么退回默认、为什么没有采用。")
    )
    trained_until = models.DateField(_("数据截至"))
    row_count = models.PositiveIntegerField(_("样本数"), default=0)
    positive_count = models.PositiveIntegerField(_("其中流失或复购"), default=0)
    created_at = models.DateTimeField(_("训练时间"), db_default=Now())
    retired_at = models.DateTimeField(_("停用时间"), null=True, blank=True)
    chosen_until = models.DateField(
        _("人工选定至"),
        null=True,
        blank=True,
        help_text=_("在这一天之前，每周训练不会换掉人工的选择。"),
    )

    objects = PredictionModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("预测模型")
        verbose_name_plural = _("预测模型")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "version"],
                name="prediction_version_is_unique",
                violation_error_message=_("这个版本已存在。"),
            ),
            models.UniqueConstraint(
                fields=["enterprise", "community", "kind"],
                condition=models.Q(status=ModelStatus.ACTIVE),
                nulls_distinct=False,
                name="one_active_model",
                violation_error_message=_("同一范围同时只能有一个在用的模型。"),
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=ModelKind.values)
                & models.Q(status__in=ModelStatus.values),
                name="prediction_model_is_known",
                violation_error_message=_("未知的模型类型或状态。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} ({self.pk})"


class ChurnForecast(models.Model):
    """What was said of a member on a weekly cut, kept until it can be compared with the truth.

    Deleted once its cut is checked; what remains is the ``ScoreCheck``.
    """

    pk = models.CompositePrimaryKey("community_id", "cut", "member_id")
    community = models.ForeignKey(
        Community, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    cut = models.DateField()
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    probability = models.FloatField()
    silence_days = models.SmallIntegerField()
    model_version = models.CharField(max_length=60)

    class Meta:
        verbose_name = _("待核对的预测")
        verbose_name_plural = _("待核对的预测")

    def __str__(self) -> str:
        return f"{self.community_id} {self.cut} {self.member_id}"


class ScoreCheckQuerySet(models.QuerySet["ScoreCheck"]):
    def visible_to(self, user: User) -> ScoreCheckQuerySet:
        return self.filter(in_communities_of(user))


class ScoreCheck(models.Model):
    """How right the scores of one community on one cut were, once the horizon had passed.

    ``figures``: see ``members.rules.score_checks``. Of a backtest it says so: its scores were made
    afterwards, from the days before the cut only.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    community = models.ForeignKey(
        Community, on_delete=models.PROTECT, related_name="+", verbose_name=_("社群")
    )
    cut = models.DateField(_("评分日"))
    model_version = models.CharField(_("模型版本"), max_length=60)
    is_backtest = models.BooleanField(_("回测"), default=False)
    scored_count = models.PositiveIntegerField(_("评分人数"))
    churned_count = models.PositiveIntegerField(_("其中流失"))
    figures = models.JSONField(_("核对结果"), default=dict)
    checked_at = models.DateTimeField(_("核对时间"), db_default=Now())

    objects = ScoreCheckQuerySet.as_manager()

    class Meta:
        verbose_name = _("预测核对")
        verbose_name_plural = _("预测核对")
        constraints = [
            models.UniqueConstraint(
                fields=["community", "cut", "model_version", "is_backtest"],
                name="one_check_per_cut_and_model",
                violation_error_message=_("这一天已经核对过。"),
            ),
        ]
        indexes = [
            models.Index(fields=["enterprise", "-cut", "-id"], name="checks_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.community_id} {self.cut} ({self.pk})"
