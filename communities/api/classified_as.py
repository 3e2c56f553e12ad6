"""``?classified_as=region:east&classified_as=breed:corgi``: rows that have all of the values."""

from __future__ import annotations

import re
from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError as InvalidForm
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters import rest_framework as filters
from rest_framework.exceptions import ErrorDetail, ValidationError

from communities.models import ClassificationValue
from communities.selectors import values_at_or_below

MAX_VALUES = 10
FULL_CODE = re.compile(r"[-a-zA-Z0-9_]{1,40}:[-a-zA-Z0-9_]{1,40}", re.ASCII)
MEANING = gettext_lazy(
    "“维度:值”，包括它下面的值；可重复，每一个都要满足，例如 "
    "?classified_as=region:east&classified_as=breed:corgi。"
)


class FullCodesField(forms.Field):
    """Codes like ``region:east``, each in a parameter of its own."""

    widget = forms.SelectMultiple

    def to_python(self, value: Any) -> list[str]:
        codes = list(dict.fromkeys(value or ()))
        if len(codes) > MAX_VALUES:
            message = _("最多同时按 %(limit)d 个分类筛选。") % {"limit": MAX_VALUES}
            raise InvalidForm(message, "too_many_values")
        if not all(FULL_CODE.fullmatch(code) for code in codes):
            raise InvalidForm(_("请写成“维度:值”，例如 region:east。"), "invalid")
        return codes


class ClassifiedAsFilter(filters.Filter):  # type: ignore[misc]  # untyped upstream
    """Rows with every one of the values, or with one below it. Say what that means for a row."""

    field_class = FullCodesField
    _spectacular_annotation: ClassVar[dict[str, Any]] = {  # read by drf-spectacular
        "field": {"type": "array", "items": {"type": "string"}, "description": MEANING}
    }

    def filter(self, rows: QuerySet[Any], codes: list[str] | None) -> QuerySet[Any]:
        if not codes:
            return rows
        for value_ids in values_at_or_below(self._named(codes)).values():
            rows = self.having_one_of(rows, value_ids)
        return rows

    def having_one_of(self, rows: QuerySet[Any], value_ids: frozenset[int]) -> QuerySet[Any]:
        raise NotImplementedError

    def _named(self, codes: list[str]) -> list[ClassificationValue]:
        pairs = [code.split(":") for code in codes]
        wanted = reduce(or_, (Q(axis__code=axis, code=value) for axis, value in pairs))
        visible = ClassificationValue.objects.visible_to(self.parent.request.user)
        values = list(visible.filter(wanted).select_related("axis"))
        unknown = set(codes) - {f"{value.axis.code}:{value.code}" for value in values}
        if unknown:
            message = _("没有“%(code)s”这个分类。") % {"code": min(unknown)}
            raise ValidationError(
                {self.field_name: [ErrorDetail(message, "unknown_classification")]}
            )
        return values


class CommunityClassifiedAs(ClassifiedAsFilter):
    def having_one_of(self, rows: QuerySet[Any], value_ids: frozenset[int]) -> QuerySet[Any]:
        links = rows.model.classification_values.through.objects
        return rows.filter(
            pk__in=links.filter(classificationvalue__in=value_ids).values("community")
        )
