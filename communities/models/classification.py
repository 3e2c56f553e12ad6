from __future__ import annotations

from django.db import models
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
