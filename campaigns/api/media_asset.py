from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.file_answers import file_answer
from campaigns.models import MediaAsset
from campaigns.rules.contents import MEDIA_KINDS, AttachmentKind
from campaigns.rules.media import LARGEST, MAX_NAME
from campaigns.services.media import rename_media, upload_media
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import FileContentField, encoded_size
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS
KINDS = [choice for choice in AttachmentKind.choices if choice[0] in MEDIA_KINDS]


class MediaAssetSerializer(StrictModelSerializer[MediaAsset]):
    class Meta:
        model = MediaAsset
        fields = ("id", "kind", "name", "size", "sha256", "uploaded_by", "uploaded_at")
        read_only_fields = fields


class UploadSerializer(StrictSerializer):
    name = serializers.CharField(max_length=200, help_text=_("文件名；类型按内容判断。"))
    content: Any = FileContentField(largest=LARGEST, help_text=_("文件内容的 Base64，最大 20 MB。"))
    kind = serializers.ChoiceField(
        choices=KINDS, required=False, help_text=_("图片和视频也可以作为文件发送；不填按内容。")
    )


class RenameSerializer(StrictSerializer):
    name = serializers.CharField(max_length=MAX_NAME)


class MediaAssetFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    kind = filters.MultipleChoiceFilter(choices=KINDS)
    name = filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = MediaAsset
        fields: list[str] = []


class FileRenderer(BaseRenderer):
    """Lets a client ask for a file; refusals are JSON as everywhere."""

    media_type = "application/octet-stream"
    format = "file"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        raise NotImplementedError  # the answer is a file already


class MediaAssetViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[MediaAsset]):
    """素材：群发可以带的图片、视频和文件。同一个文件只存一份；发送前才上传到平台。"""

    queryset = MediaAsset.objects.none()
    serializer_class = MediaAssetSerializer
    filterset_class = MediaAssetFilter
    ordering = ("-id",)
    ordering_fields = ("id", "name", "size", "uploaded_at")
    max_body_bytes = encoded_size(LARGEST) + 4096
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "file": VIEW,
        "create": COMPOSE,
        "partial_update": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[MediaAsset]:
        rows = MediaAsset.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=UploadSerializer, responses={201: MediaAssetSerializer})
    def create(self, request: Request) -> Response:
        """上传素材。已有相同的文件时返回那一个。"""
        given = self.body(UploadSerializer)
        asset = upload_media(
            actor=acting_user(request),
            upload=given["content"],
            name=given["name"],
            kind=given.get("kind", ""),
        )
        return self.answer(asset, code=status.HTTP_201_CREATED)

    @extend_schema(request=RenameSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """改名称；收件人看到的文件名就是它。"""
        return self.run_verb(rename_media, body=RenameSerializer)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], renderer_classes=[JSONRenderer, FileRenderer])
    def file(self, request: Request, pk: str) -> HttpResponse:
        """文件内容。"""
        return file_answer(self.get_object())
