"""Serializer fields that take what they are meant to take, and nothing near it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Manager, Model, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from scrm.shared.api.parsers import Unacceptable, check_document


class CleanJSONField(serializers.JSONField):
    """JSON that PostgreSQL can store: no NUL, no half surrogate, no infinity, at most 32 deep."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            check_document(data)
        except Unacceptable as refusal:
            raise ValidationError(refusal.message, refusal.code) from refusal
        return super().to_internal_value(data)


class JsonObjectField(CleanJSONField):
    """A JSON object, not a list, text or number."""

    default_error_messages = {"not_an_object": _("必须是一个 JSON 对象。")}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            self.fail("not_an_object")
        return super().to_internal_value(data)


class VisibleRelatedField[M: Model](serializers.PrimaryKeyRelatedField[M]):
    """A reference in a body. Only rows that the user can see can be named; others do not exist."""

    def get_queryset(self) -> QuerySet[M]:
        queryset: Any = super().get_queryset()
        if isinstance(queryset, Manager):
            queryset = queryset.all()
        if not hasattr(queryset, "visible_to"):
            raise ImproperlyConfigured(f"{queryset.model.__name__} has no visible_to().")
        return queryset.visible_to(self.context["request"].user)  # type: ignore[no-any-return]

    def to_internal_value(self, data: Any) -> M:
        if type(data) is not int:
            self.fail("incorrect_type", data_type=type(data).__name__)
        key: Any = data
        return super().to_internal_value(key)
