"""Serializer fields that take what they are meant to take, and nothing near it."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Manager, Model, QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
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


def encoded_size(size: int) -> int:
    """How long Base64 of so many bytes is."""
    return size * 4 // 3 + 4


@extend_schema_field({"type": "string", "format": "byte"})
class FileContentField(serializers.Field[Any, Any, Any, Any]):
    """The bytes of a file as Base64, or as a part of a form; at most ``largest`` of them."""

    default_error_messages = {"invalid": _("应是文件内容的 Base64。"), "large": _("文件太大。")}

    def __init__(self, *, largest: int, **options: Any) -> None:
        super().__init__(**options)
        self.largest = largest

    def to_internal_value(self, data: Any) -> io.BytesIO:
        if isinstance(data, UploadedFile):
            if (data.size or 0) > self.largest:
                self.fail("large")
            return io.BytesIO(data.read())
        if not isinstance(data, str):
            self.fail("invalid")
        if len(data) > encoded_size(self.largest):
            self.fail("large")
        try:
            return io.BytesIO(base64.b64decode(data, validate=True))
        except (binascii.Error, ValueError):
            self.fail("invalid")

    def to_representation(self, value: Any) -> Any:
        raise NotImplementedError
