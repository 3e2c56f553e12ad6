from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models.classification import ClassificationAxis, ClassificationValue
from communities.models.community import Community
from communities.rules.status import SplitStatus
from scrm.accounts.models import Enterprise, User


class SplitPlanQuerySet(models.QuerySet["SplitPlan"]):
    def visible_to(self, user: User) -> SplitPlanQuerySet:
        return self.filter(community__in=Community.objects.visible_to(user))


class SplitPlan(models.Model):
    """Grow in one group, then split: the branches into which a community is to be divided."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    community = models.ForeignKey(
        Community, on_delete=models.PROTECT, related_name="split_plans", verbose_name=_("母社群")
    )
    axes = models.ManyToManyField(
        ClassificationAxis,
        related_name="+",
        verbose_name=_("按什么拆"),
        help_text=_("选一个维度，或几个维度的组合。"),
    )
    minimum_size = models.PositiveIntegerField(
        _("最小规模"), help_text=_("少于这么多人的分支不单独成群，除非写明理由。")
    )
    level = models.PositiveSmallIntegerField(
        _("按第几级的值"),
        default=1,
        db_default=1,
        help_text=_("分类值有上下级时按哪一级拆，1 是最上级；没有这么多级的值按自身。"),
    )
    status = models.CharField(
        _("状态"), max_length=20, choices=SplitStatus.choices, default=SplitStatus.DRAFT
    )
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("制定人")
    )
    created_at = models.DateTimeField(_("制定时间"), db_default=Now())
    started_at = models.DateTimeField(_("开始时间"), null=True, blank=True)
    listed_through = models.BigIntegerField(
        _("名单列到"),
        default=0,
        db_default=0,
        help_text=_("母社群里编号不大于它的成员已列入各分支的名单。"),
    )
    listed_at = models.DateTimeField(_("名单完成时间"), null=True, blank=True)
    finished_at = models.DateTimeField(_("结束时间"), null=True, blank=True)

    objects = SplitPlanQuerySet.as_manager()

    class Meta:
        verbose_name = _("拆群计划")
        verbose_name_plural = _("拆群计划")
        constraints = [
            models.UniqueConstraint(
                fields=["community"],
                condition=models.Q(status__in=[SplitStatus.DRAFT, SplitStatus.RUNNING]),
                name="one_open_split_plan",
                violation_error_message=_("这个社群已有一个未结束的拆群计划。"),
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=SplitStatus.values),
                name="split_plan_status_is_known",
                violation_error_message=_("未知的拆群计划状态。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class SplitBranchQuerySet(models.QuerySet["SplitBranch"]):
    def visible_to(self, user: User) -> SplitBranchQuerySet:
        return self.filter(plan__community__in=Community.objects.visible_to(user))

    def chosen(self) -> SplitBranchQuerySet:
        return self.filter(is_chosen=True)


class SplitBranch(models.Model):
    """One combination of values, how many members it has, and the community made for it."""

    plan = models.ForeignKey(
        SplitPlan, on_delete=models.CASCADE, related_name="branches", verbose_name=_("拆群计划")
    )
    values = models.ManyToManyField(ClassificationValue, related_name="+", verbose_name=_("分类值"))
    name = models.CharField(_("名称"), max_length=120)
    member_count = models.PositiveIntegerField(
        _("人数"), default=0, help_text=_("制定计划时母社群里有这些分类的成员数。")
    )
    is_chosen = models.BooleanField(_("成群"), default=True)
    override_reason = models.CharField(
        _("人数不足仍要成群的理由"), max_length=300, blank=True, default=""
    )
    child = models.OneToOneField(
        Community,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="split_branch",
        verbose_name=_("子社群"),
    )

    objects = SplitBranchQuerySet.as_manager()

    class Meta:
        verbose_name = _("拆群分支")
        verbose_name_plural = _("拆群分支")

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"
