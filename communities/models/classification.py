from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models import Enterprise, User


class ClassificationAxisQuerySet(models.QuerySet["ClassificationAxis"]):
    def visible_to(self, user: User) -> ClassificationAxisQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class ClassificationAxis(models.Model):
    """One way to sort people: region, breed, interest, store …"""

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="classification_axes",
        verbose_name=_("企业"),
    )
    code = models.SlugField(_("代码"), max_length=40)
    name = models.CharField(_("名称"), max_length=60)
    requires_evidence = models.BooleanField(_("需要凭证"), default=False)
    is_exclusive = models.BooleanField(
        _("单选"),
        default=False,
        db_default=False,
        help_text=_("每位成员在这个维度上只能有一个值，例如所在地区。"),
    )
    evidence_valid_days = models.PositiveIntegerField(
        _("凭证有效天数"),
        null=True,
        blank=True,
        help_text=_("通过的凭证带来的分类多少天后到期；留空表示一直有效。"),
    )

    objects = ClassificationAxisQuerySet.as_manager()

    class Meta:
        verbose_name = _("分类维度")
        verbose_name_plural = _("分类维度")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "code"],
                name="classification_axis_code_is_unique",
                violation_error_message=_("已有相同代码的分类维度。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ClassificationValueQuerySet(models.QuerySet["ClassificationValue"]):
    def visible_to(self, user: User) -> ClassificationValueQuerySet:
        return self.filter(axis__enterprise_id=user.enterprise_id)


class ClassificationValue(models.Model):
    """One value of an axis; values form a tree (华东 → 上海)."""

    axis = models.ForeignKey(
        ClassificationAxis, on_delete=models.CASCADE, related_name="values", verbose_name=_("维度")
    )
    parent = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name=_("上级"),
    )
    code = models.SlugField(_("代码"), max_length=40)
    name = models.CharField(_("名称"), max_length=60)

    objects = ClassificationValueQuerySet.as_manager()

    class Meta:
        verbose_name = _("分类值")
        verbose_name_plural = _("分类值")
        constraints = [
            models.UniqueConstraint(
                fields=["axis", "code"],
                name="classification_value_code_is_unique",
                violation_error_message=_("这个维度下已有相同代码的值。"),
            ),
            models.CheckConstraint(
                condition=models.Q(parent=None) | ~models.Q(parent=models.F("id")),
                name="classification_value_is_not_its_own_parent",
                violation_error_message=_("分类值不能是自己的上级。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ClassificationRuleQuerySet(models.QuerySet["ClassificationRule"]):
    def visible_to(self, user: User) -> ClassificationRuleQuerySet:
        return self.filter(value__axis__enterprise_id=user.enterprise_id)

    def active(self) -> ClassificationRuleQuerySet:
        return self.filter(is_active=True)


class ClassificationRule(models.Model):
    """Members who meet the criterion have the value, and those who no longer do lose it again.

    Only what the rule gave is taken away; evidence, imports and colleagues have the last word.
    """

    value = models.OneToOneField(
        ClassificationValue, on_delete=models.CASCADE, related_name="rule", verbose_name=_("分类值")
    )
    criterion = models.JSONField(_("条件"))
    is_active = models.BooleanField(_("启用"), default=True)
    applied_at = models.DateTimeField(_("上次执行"), null=True, blank=True, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("制定人")
    )
    created_at = models.DateTimeField(_("制定时间"), db_default=Now())

    objects = ClassificationRuleQuerySet.as_manager()

    class Meta:
        verbose_name = _("分类规则")
        verbose_name_plural = _("分类规则")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(criterion={}),
                name="classification_rule_has_a_criterion",
                violation_error_message=_("分类规则必须写明条件，否则人人都有这个分类。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
