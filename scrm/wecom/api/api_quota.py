from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_filters import rest_framework as filters
from rest_framework import mixins
from rest_framework.viewsets import GenericViewSet

from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.wecom.models import ApiQuota, WecomConnection


class ApiQuotaSerializer(StrictModelSerializer[ApiQuota]):
    class Meta:
        model = ApiQuota
        fields = (
            "id",
            "connection",
            "api",
            "day",
            "call_count",
            "refused_count",
            "slowest_ms",
            "last_code",
            "last_refused_at",
            "parked_until",
        )


class ApiQuotaFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    connection = VisibleModelChoiceFilter(model=WecomConnection)
    api = filters.CharFilter()
    day = filters.DateFilter()

    class Meta:
        model = ApiQuota
        fields: list[str] = []


class ApiQuotaViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[ApiQuota]):
    """接口用量：每个接口每天（北京时间）调用了多少次。"""

    queryset = ApiQuota.objects.none()
    serializer_class = ApiQuotaSerializer
    filterset_class = ApiQuotaFilter
    ordering = ("-id",)
    ordering_fields = ("id", "day")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": Capability.VIEW_ACCOUNTS,
        "retrieve": Capability.VIEW_ACCOUNTS,
    }

    def get_queryset(self) -> models.QuerySet[ApiQuota]:
        rows = ApiQuota.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)
