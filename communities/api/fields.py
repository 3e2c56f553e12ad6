"""Fields of request bodies that communities knows how to read."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from scrm.shared.api.fields import CleanJSONField
from scrm.shared.criteria import (
    METRICS,
    Criterion,
    CriterionError,
    InvalidCriterion,
    MetricRegistry,
    parse_criterion,
)
from scrm.shared.criterion_references import unknown_references


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": True,
        "description": (
            '{"all": [...]}、{"any": [...]}、{"not": {...}} 或一个条件 '
            '{"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 90}；'
            "{} 表示没有门槛。指标见 /api/v1/metrics/。"
        ),
        "example": {
            "all": [
                {"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 90},
                {"metric": "post_count", "op": "gte", "value": 10, "window_days": 90},
            ]
        },
    }
)
class CriterionField(CleanJSONField):
    """A criterion, read whole: every mistake comes back with its place in the tree.

    What a serializer gets from it is a ``Criterion``.
    """

    def registry_for(self, data: Any) -> MetricRegistry:
        return METRICS

    def to_internal_value(self, data: Any) -> Any:
        try:
            raw = super().to_internal_value(data)
            criterion = parse_criterion(raw, registry=self.registry_for(raw))
        except InvalidCriterion as invalid:
            raise ValidationError(_by_place(invalid.errors)) from invalid
        enterprise_id = self.context["request"].user.enterprise_id
        errors = unknown_references(criterion, enterprise_id=enterprise_id)
        if errors:
            raise ValidationError(_by_place(errors))
        return criterion

    def to_representation(self, value: Any) -> Any:
        return value.as_json() if isinstance(value, Criterion) else value


def _by_place(errors: tuple[CriterionError, ...]) -> dict[str, list[ErrorDetail]]:
    found: dict[str, list[ErrorDetail]] = {}
    for error in errors:
        found.setdefault(error.path, []).append(ErrorDetail(error.message, error.code))
    return found


class VisibleRowsField(serializers.ListField):
    """Many references in a body, read with one query. Only rows that the user can see can be named;
    others do not exist. An id that is named twice counts once."""

    default_error_messages = {"does_not_exist": _("这些编号不存在：%(ids)s。")}

    def __init__(self, *, model: type[models.Model], **options: Any) -> None:
        self.model = model
        options.setdefault("child", serializers.IntegerField(min_value=1, max_value=2**63 - 1))
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        ids = dict.fromkeys(super().to_internal_value(data))
        manager: Any = self.model._default_manager
        found = manager.all().visible_to(self.context["request"].user).in_bulk(list(ids))
        if missing := [each for each in ids if each not in found]:
            named = "、".join(map(str, missing[:10])) + ("…" if len(missing) > 10 else "")
            message = str(self.error_messages["does_not_exist"]) % {"ids": named}
            raise ValidationError(message, "does_not_exist")
        return [found[each] for each in ids]
