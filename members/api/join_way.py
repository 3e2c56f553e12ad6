"""What came of join ways, and how much room communities have left: both are known by stays."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from communities.models import Community, JoinWay
from members.selectors.capacity import Capacity, CommunityCapacity, capacity_of_communities
from members.selectors.join_ways import (
    EARLY_DAYS,
    Period,
    figures_by_day,
    figures_by_source,
    figures_of,
)
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import refuse_unknown

VIEW = Capability.VIEW_COMMUNITIES
USUAL_DAYS, MOST_DAYS = 30, 366
FIRST_YEAR, LAST_YEAR = 2000, 2100
MOST_SOURCES = 1000


class FiguresSerializer(serializers.Serializer[Any]):
    scans = serializers.IntegerField(
        help_text=gettext_lazy("有人打开短链的次数，不含爬虫和预加载。")
    )
    joins = serializers.IntegerField(help_text=gettext_lazy("经它入群的次数。"))
    quits = serializers.IntegerField(
        help_text=gettext_lazy("经它入群的人中，这段时间退群的次数，群解散不算。")
    )
    early_quits = serializers.IntegerField(
        help_text=gettext_lazy("这段时间入群、%(days)d 天内就退群的次数。") % {"days": EARLY_DAYS}
    )
    current = serializers.IntegerField(help_text=gettext_lazy("经它入群、现在还在群里的人数。"))


class DayFiguresSerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    scans = serializers.IntegerField()
    joins = serializers.IntegerField()
    quits = serializers.IntegerField()


class SourceFiguresSerializer(FiguresSerializer):
    source: Any = serializers.CharField()


class PeriodSerializer(serializers.Serializer[Any]):
    """The period that figures are of; whole days in the time zone of the enterprise."""

    def get_fields(self) -> dict[str, Any]:  # "from" is a word of Python's
        ends = {"from": serializers.DateField(), "to": serializers.DateField()}
        return {**ends, **super().get_fields()}


class JoinWayFiguresSerializer(PeriodSerializer):
    total = FiguresSerializer()
    days = DayFiguresSerializer(many=True)


class SourcesSerializer(PeriodSerializer):
    results = SourceFiguresSerializer(many=True)
    left_off = serializers.IntegerField(help_text=gettext_lazy("太多而没有列出的来源数。"))


class PeriodQuery(serializers.Serializer[Any]):
    """What a request says about the period."""

    def get_fields(self) -> dict[str, Any]:
        ends = {name: serializers.DateField(required=False) for name in ("from", "to")}
        return {**ends, **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        last = attrs.get("to") or self.context["today"]
        if not FIRST_YEAR <= last.year <= LAST_YEAR:
            raise serializers.ValidationError({"to": _("请填 2000 年以后的日期。")})
        first = attrs.get("from") or last - timedelta(days=USUAL_DAYS - 1)
        if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS):
            most = {"days": MOST_DAYS}
            message = _("开始不能晚于结束，最多 %(days)d 天。") % most
            raise serializers.ValidationError({"from": message})
        return {**attrs, "from": first, "to": last}


class SourcesQuery(PeriodQuery):
    community: Any = VisibleRelatedField(queryset=Community.objects.all(), required=False)

    def to_internal_value(self, data: Any) -> Any:
        named = data.get("community", "")
        read = {name: data[name] for name in data}
        if named.isascii() and named.isdecimal():  # in a body it is a number already
            read["community"] = int(named)
        return super().to_internal_value(read)


FROM = OpenApiParameter("from", date, description="第一天，默认为结束前 29 天。")
TO = OpenApiParameter("to", date, description=f"最后一天，默认今天；最多 {MOST_DAYS} 天。")
COMMUNITY = OpenApiParameter("community", int, description="只看一个社群的活码。")


class JoinWayFiguresViewSet(GenericViewSet[JoinWay]):
    """群活码的成效：扫码、入群、退群。"""

    queryset = JoinWay.objects.none()
    required_capabilities: ClassVar[dict[str, Required]] = {"figures": VIEW, "sources": VIEW}

    def get_queryset(self) -> models.QuerySet[JoinWay]:
        return JoinWay.objects.visible_to(acting_user(self.request))

    @extend_schema(parameters=[FROM, TO], responses=JoinWayFiguresSerializer)
    def figures(self, request: Request, pk: str) -> Response:
        """一个活码的合计和逐日数字。"""
        way = self.get_object()
        period, _asked = self.period(PeriodQuery)
        days = figures_by_day(way, period)
        return Response(
            {
                "from": period.first,
                "to": period.last,
                "total": asdict(figures_of(way, period)),
                "days": [
                    {"day": day, "scans": each.scans, "joins": each.joins, "quits": each.quits}
                    for day, each in days.items()
                ],
            }
        )

    @extend_schema(parameters=[FROM, TO, COMMUNITY], responses=SourcesSerializer)
    def sources(self, request: Request) -> Response:
        """每个来源的合计，扫码多的在前。"""
        period, asked = self.period(SourcesQuery)
        ways = self.get_queryset()
        if community := asked.get("community"):
            ways = ways.filter(community=community)
        found = sorted(
            figures_by_source(ways, period).items(), key=lambda item: (-item[1].scans, item[0])
        )
        return Response(
            {
                "from": period.first,
                "to": period.last,
                "results": [
                    {"source": source, **asdict(each)} for source, each in found[:MOST_SOURCES]
                ],
                "left_off": max(len(found) - MOST_SOURCES, 0),
            }
        )

    def period(self, query: type[PeriodQuery]) -> tuple[Period, dict[str, Any]]:
        zone = acting_user(self.request).enterprise.zone
        today = timezone.now().astimezone(zone).date()
        reader = query(
            data=self.request.query_params,
            context={**self.get_serializer_context(), "today": today},
        )
        refuse_unknown(self.request, set(reader.fields))
        reader.is_valid(raise_exception=True)
        asked = dict(reader.validated_data)
        return Period(asked["from"], asked["to"], zone), asked


# --- room ---------------------------------------------------------------------------------------


class ForecastSerializer(serializers.Serializer[Any]):
    days = serializers.FloatField(help_text=gettext_lazy("照这样下去，多少天后满。"))
    earliest = serializers.FloatField(help_text=gettext_lazy("20 次里 19 次不会更早。"))
    latest = serializers.FloatField(
        allow_null=True, help_text=gettext_lazy("20 次里 19 次不会更晚；null 表示也可能一直不满。")
    )


class CapacitySerializer(serializers.Serializer[Any]):
    member_count = serializers.IntegerField()
    capacity = serializers.IntegerField()
    room = serializers.IntegerField(help_text=gettext_lazy("还能进多少人。"))
    is_nearly_full = serializers.BooleanField(help_text=gettext_lazy("用掉了容量的 80% 以上。"))
    joins_per_day = serializers.FloatField(help_text=gettext_lazy("最近 14 天平均每天入群。"))
    forecast = ForecastSerializer(
        allow_null=True, help_text=gettext_lazy("入群不到 10 次或没有增长时不作预测，为 null。")
    )


class ChatCapacitySerializer(CapacitySerializer):
    chat = serializers.IntegerField()
    chat_name = serializers.CharField()


class CommunityCapacitySerializer(CapacitySerializer):
    community = serializers.IntegerField()
    chats = ChatCapacitySerializer(many=True)


class CapacityViewSet(GenericViewSet[Community]):
    """社群的容量：还有多少空位，什么时候满。"""

    queryset = Community.objects.none()
    required_capabilities: ClassVar[dict[str, Required]] = {"retrieve": VIEW}

    def get_queryset(self) -> models.QuerySet[Community]:
        return Community.objects.visible_to(acting_user(self.request))

    @extend_schema(responses=CommunityCapacitySerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """社群和它每个客户群的空位与预测；转让中和已解散的群不算。"""
        community = self.get_object()
        found = capacity_of_communities([community.pk], now=timezone.now())[community.pk]
        return Response({"community": community.pk, **told(found)})


def told(found: CommunityCapacity) -> dict[str, Any]:
    chats = [
        {"chat": each.chat.pk, "chat_name": each.chat.name, **numbers(each.capacity)}
        for each in found.chats
    ]
    return {**numbers(found.total), "chats": chats}


def numbers(capacity: Capacity) -> dict[str, Any]:
    found = capacity.forecast
    return {
        "member_count": capacity.member_count,
        "capacity": capacity.capacity,
        "room": capacity.room,
        "is_nearly_full": capacity.is_nearly_full,
        "joins_per_day": round(capacity.joins_per_day, 2),
        "forecast": None if found is None else rounded(asdict(found)),
    }


def rounded(days: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 1) for name, value in days.items()}
