"""Fields of request bodies that communities knows how to read."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ErrorDetail, ValidationError

from scrm.shared.api.fields import CleanJSONField
from scrm.shared.criteria import Criterion, CriterionError, InvalidCriterion, parse_criterion
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

    def to_internal_value(self, data: Any) -> Any:
        try:
            criterion = parse_criterion(super().to_internal_value(data))
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
