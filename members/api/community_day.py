"""The definitions of a community's figures, and its snapshots day by day."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from communities.metrics import COMMUNITY_METRICS
from communities.models import Community
from members.models import CommunityDay
from members.rules.insight import kept_figure
from scrm.accounts.api.permissions import SIGNED_IN, Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.shared.figures import UNITS, Better

VIEW = Capability.VIEW_MEMBERS


class CommunityMetricSerializer(serializers.Serializer[Any]):
    """一个社群指标的定义。"""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field, not the base's option
    unit = serializers.ChoiceField(
        choices=UNITS,
        help_text=_("share 是 0 到 1 的比例，money 是分，index 是 0 到 1 的系数，score 是 0–100。"),
    )
    source = serializers.CharField()  # type: ignore[assignment]  # likewise
    definition = serializers.CharField()
    version = serializers.IntegerField(help_text=_("定义改变时加一；不同版本的数值不能相比。"))
    better = serializers.ChoiceField(
        choices=[better.value for better in Better], help_text=_("哪个方向更好。")
    )


class CommunityMetricListView(APIView):
    """社群指标的定义：名称、单位、来源、定义、版本、哪个方向更好。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"get": SIGNED_IN}

    @extend_schema(responses=CommunityMetricSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(CommunityMetricSerializer(list(COMMUNITY_METRICS), many=True).data)


class CommunityDaySerializer(StrictModelSerializer[CommunityDay]):
    figures = serializers.SerializerMethodField(
        help_text=_("以这一天为止的指标，按名称；昨天和每个星期日才有，null 表示没有数据。")
    )

    class Meta:
        model = CommunityDay
        fields = (
            "id",
            "community",
            "day",
            "member_count_start",
            "joined_count",
            "left_count",
            "member_count_end",
            "is_measured",
            "active_count",
            "active_count_7",
            "active_count_28",
            "speaker_count",
            "speaker_count_7",
            "interaction_count",
            "message_count",
            "staff_message_count",
            "buyer_count",
            "order_count",
            "net_amount",
            "hour_actives",
            "figures",
            "computed_at",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.DictField(child=serializers.FloatField(allow_null=True)))
    def get_figures(self, day: CommunityDay) -> dict[str, float | None]:
        return {
            definition.name: figure.value
            for definition in COMMUNITY_METRICS
            if (figure := kept_figure(day.figures, definition))
        }


class CommunityDayFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    day_from = filters.DateFilter(field_name="day", lookup_expr="gte")
    day_to = filters.DateFilter(field_name="day", lookup_expr="lte")
    is_measured = filters.BooleanFilter()

    class Meta:
        model = CommunityDay
        fields: list[str] = []


class CommunityDayViewSet(mixins.ListModelMixin, GenericViewSet[CommunityDay]):
    """社群日快照：每个社群每个当地日的成员、活跃和成交。没有数据覆盖的日子活跃为 null，不是 0。"""

    queryset = CommunityDay.objects.none()
    serializer_class = CommunityDaySerializer
    filterset_class = CommunityDayFilter
    ordering = ("-day", "-id")
    ordering_fields = ("day",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW}

    def get_queryset(self) -> models.QuerySet[CommunityDay]:
        days = CommunityDay.objects.visible_to(acting_user(self.request))
        return days.fetch_mode(models.FETCH_RAISE)
