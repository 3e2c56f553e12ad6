from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_filters import rest_framework as filters
from rest_framework import mixins
from rest_framework.viewsets import GenericViewSet

from members.models import ImportRun
from members.models.import_run import ImportKind
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.serializers import StrictModelSerializer


class ImportRunSerializer(StrictModelSerializer[ImportRun]):
    class Meta:
        model = ImportRun
        fields = (
            "id",
            "kind",
            "file_name",
            "file_digest",
            "source",
            "encoding",
            "line_count",
            "accepted_count",
            "updated_count",
            "duplicate_count",
            "rejected_count",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields


class ImportRunFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    kind = filters.MultipleChoiceFilter(choices=ImportKind.choices)
    source = filters.CharFilter()
    is_running = filters.BooleanFilter(field_name="finished_at", lookup_expr="isnull")

    class Meta:
        model = ImportRun
        fields: list[str] = []


class ImportRunViewSet(mixins.ListModelMixin, GenericViewSet[ImportRun]):
    """导入记录：每个文件读到哪里，收下、重复、拒绝各多少。"""

    queryset = ImportRun.objects.none()
    serializer_class = ImportRunSerializer
    filterset_class = ImportRunFilter
    ordering = ("-id",)
    ordering_fields = ("id",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": Capability.VIEW_MEMBERS}

    def get_queryset(self) -> models.QuerySet[ImportRun]:
        runs = ImportRun.objects.visible_to(acting_user(self.request))
        return runs.fetch_mode(models.FETCH_RAISE)
