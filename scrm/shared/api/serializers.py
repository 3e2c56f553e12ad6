"""Base serializers: unknown fields are refused, and nothing is quietly turned into another type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from scrm.shared.api.fields import CleanJSONField, VisibleRelatedField

# What a field of DRF may be given in JSON. Stock DRF takes 123 for a text, "yes" for a boolean
# and "١٢" for a number.
JSON_TYPES: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], tuple[type, ...]], ...] = (
    (serializers.BooleanField, (bool,)),
    (serializers.CharField, (str,)),
    (serializers.IntegerField, (int,)),
    (serializers.FloatField, (int, float)),
    (serializers.DecimalField, (int, float, str)),
    (serializers.DateTimeField, (str,)),
    (serializers.DateField, (str,)),
    (serializers.TimeField, (str,)),
    (serializers.UUIDField, (str,)),
)


def has_wrong_type(field: serializers.Field[Any, Any, Any, Any], value: object) -> bool:
    """Whether JSON of another type than the field's own was given. ``null`` is judged elsewhere."""
    if value is None:
        return False
    if isinstance(field, serializers.MultipleChoiceField):
        return not isinstance(value, list)
    if isinstance(field, serializers.ChoiceField):
        return type(value) not in {type(key) for key in field.choices}
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        return any(has_wrong_type(field.child, item) for item in value)
    for kind, types in JSON_TYPES:
        if isinstance(field, kind):
            return not isinstance(value, types) or (isinstance(value, bool) and bool not in types)
    return False


# The bases below say what they are for in comments: drf-spectacular would print a docstring of
# theirs as the description of every schema made from them.


class StrictInput(serializers.Serializer[Any]):
    # Adds the refusals that DRF leaves out to the ones it has; one answer names them all.

    def to_internal_value(self, data: Any) -> Any:
        refusals = self.refusals(data) if isinstance(data, Mapping) else {}
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            if refusals and isinstance(error.detail, dict):
                raise ValidationError({**error.detail, **refusals}) from error
            raise
        if refusals:
            raise ValidationError(refusals)
        return value

    def refusals(self, data: Mapping[str, Any]) -> dict[str, list[ErrorDetail]]:
        found: dict[str, list[ErrorDetail]] = {}
        for name, value in data.items():
            field = self.fields.get(name)
            if field is None:
                found[name[:100]] = [ErrorDetail(_("没有这个字段。"), "unknown_field")]
            elif field.read_only:
                found[name] = [ErrorDetail(_("这个字段只读，请去掉。"), "read_only_field")]
            elif has_wrong_type(field, value):
                message = field.error_messages.get("invalid", _("类型不对。"))
                if isinstance(field, serializers.ChoiceField):
                    message = _("类型不对，请填列出的选项之一。")
                found[name] = [ErrorDetail(str(message), "invalid")]
        return found


class StrictSerializer(StrictInput):
    # For commands: exactly the arguments of one verb.
    pass


class EmptySerializer(StrictSerializer):
    """The body of a command without arguments: nothing, or an empty object."""


class StrictModelSerializer[M: models.Model](StrictInput, serializers.ModelSerializer[M]):
    # For rows: explicit ``fields``; references can only name rows that the user can see.

    serializer_related_field = VisibleRelatedField
    serializer_field_mapping: ClassVar[Any] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.JSONField: CleanJSONField,
    }
