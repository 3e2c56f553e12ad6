from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import HolidayOverride
from campaigns.services.holidays import add_holiday, edit_holiday, remove_holiday
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet

VIEW, MANAGE = Capability.VIEW_CAMPAIGNS, Capability.MANAGE_SEND_POLICIES


class HolidayOverrideSerializer(StrictModelSerializer[HolidayOverride]):
    class Meta:
        model = HolidayOverride
        fields = ("id", "day", "is_working_day", "name")


class EditHolidaySerializer(StrictSerializer):
    is_working_day = serializers.BooleanField(help_text=_("这一天上班，不管日历怎么说。"))
    name = serializers.CharField(max_length=60, required=False, allow_blank=True)


class HolidayBodySerializer(EditHolidaySerializer):
    day = serializers.DateField()


class HolidayFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    day_from = filters.DateFilter(field_name="day", lookup_expr="gte")
    day_until = filters.DateFilter(field_name="day", lookup_expr="lte")

    class Meta:
        model = HolidayOverride
        fields: list[str] = []


class HolidayOverrideViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[HolidayOverride]
):
    """工作日调整：国家日历之外，企业自己的上班日和休息日。

    系统自带已公布年份的法定节假日和调休；还没公布的年份，可以在这里先写。
    """

    queryset = HolidayOverride.objects.none()
    serializer_class = HolidayOverrideSerializer
    filterset_class = HolidayFilter
    ordering = ("-day", "-id")
    ordering_fields = ("id", "day")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "destroy": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[HolidayOverride]:
        rows = HolidayOverride.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=HolidayBodySerializer, responses={201: HolidayOverrideSerializer})
    def create(self, request: Request) -> Response:
        """新增一天；按工作日排期的群发随之改到新的时间。"""
        return self.run_create(add_holiday, body=HolidayBodySerializer)

    @extend_schema(request=EditHolidaySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """改为上班或休息；换一天请删除后新增。"""
        return self.run_verb(edit_holiday, body=EditHolidaySerializer, partial=True)

    def destroy(self, request: Request, pk: str) -> Response:
        """删除后，这一天按系统自带的日历。"""
        remove_holiday(self.get_object().pk, actor=acting_user(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
