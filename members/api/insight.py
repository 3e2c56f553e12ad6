"""What is known of one community: figures, hours of activity, who stays, what leads to orders."""

from __future__ import annotations

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

from communities.metrics import COMMUNITY_METRICS
from communities.models import Community
from members.api.join_way import FIRST_YEAR, FROM, TO, PeriodQuery
from members.rules.insight import small_number
from members.rules.paths import PathStep
from members.selectors.activity_figures import figures_of
from members.selectors.health import health_of
from members.selectors.heat import FEW_ACTIVE, HEAT_WEEKS, heat_map
from members.selectors.paths import conversion_paths
from members.selectors.retention import COHORT_WEEKS, cohorts
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import refuse_unknown
from scrm.shared.figures import UNITS, Figure

VIEW = Capability.VIEW_MEMBERS
MOST_WEEKS = 26


class OnQuery(serializers.Serializer[Any]):
    """Up to which day, which is over."""

    on = serializers.DateField(required=False)

    def validate_on(self, on: date) -> date:
        if on > self.context["yesterday"] or on.year < FIRST_YEAR:
            raise serializers.ValidationError(_("请填 2000 年以后、最晚昨天的日期。"))
        return on


class WeeksQuery(OnQuery):
    weeks = serializers.IntegerField(required=False, min_value=1, max_value=MOST_WEEKS)


class FigureSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text=gettext_lazy("定义见 /community-metrics/。"))
    label = serializers.SerializerMethodField()  # type: ignore[assignment]  # not the option
    value = serializers.FloatField(allow_null=True, help_text=gettext_lazy("null 表示没有数据。"))
    unit = serializers.ChoiceField(choices=UNITS)
    n = serializers.IntegerField(
        allow_null=True, help_text=gettext_lazy("由多少人或多少条得出；null 表示不适用。")
    )
    note = serializers.CharField(help_text=gettext_lazy("为什么没有数据，或样本太少；平时为空。"))
    version = serializers.SerializerMethodField()

    def get_label(self, figure: Figure) -> str:
        definition = COMMUNITY_METRICS.get(figure.name)
        return str(definition.label) if definition else figure.name

    def get_version(self, figure: Figure) -> int:
        definition = COMMUNITY_METRICS.get(figure.name)
        return definition.version if definition else 0


class InsightSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateField(help_text=gettext_lazy("各窗口的最后一天，按企业时区。"))
    figures = FigureSerializer(many=True)


class HeatMapSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateField()
    since = serializers.DateField()
    weeks = serializers.IntegerField()
    measured_days = serializers.IntegerField()
    fewest = serializers.IntegerField(
        help_text=gettext_lazy("一格在任何一天都没有这么多人时为 null。")
    )
    cells = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)),
        help_text=gettext_lazy("7 行（周一在前）× 24 列（当地小时）：平均每天的活跃人数。"),
    )


class CohortSerializer(serializers.Serializer[Any]):
    week = serializers.DateField(help_text=gettext_lazy("加入那一周的星期一。"))
    joined = serializers.IntegerField()
    cells = serializers.ListField(
        child=serializers.FloatField(allow_null=True),
        help_text=gettext_lazy(
            "第 k 项：加入后第 7k 到 7k+6 天还活跃的比例；没过完或没测到为 null。"
        ),
    )
    active = serializers.ListField(child=serializers.IntegerField(allow_null=True))
    note = serializers.SerializerMethodField()

    def get_note(self, cohort: Any) -> str:
        return str(small_number(cohort.joined)) if cohort.joined else ""


class RetentionSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateField()
    weeks = serializers.IntegerField()
    cohorts = CohortSerializer(many=True)


class PathSerializer(serializers.Serializer[Any]):
    steps = serializers.ListField(
        child=serializers.ChoiceField(choices=PathStep.choices),
        help_text=gettext_lazy("按第一次出现的先后；空表示没有任何迹象就下单。"),
    )
    steps_in_words = serializers.SerializerMethodField()
    buyers = serializers.IntegerField()
    share = serializers.FloatField(help_text=gettext_lazy("占这段时间全部首单的比例。"))

    def get_steps_in_words(self, path: Any) -> list[str]:
        return [str(PathStep(step).label) for step in path.steps]


class PathsSerializer(serializers.Serializer[Any]):
    since = serializers.DateField()
    until = serializers.DateField()
    note = serializers.CharField()
    paths = PathSerializer(many=True)


class HealthPartSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    weight = serializers.IntegerField(help_text=gettext_lazy("满分时的分数。"))
    percentile = serializers.FloatField(
        allow_null=True,
        help_text=gettext_lazy("在自己近 12 个月里的百分位，0 到 1；null 不计分。"),
    )
    note = serializers.CharField()
    figures = FigureSerializer(many=True)


class HealthSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateField()
    score = serializers.FloatField(allow_null=True)
    parts = HealthPartSerializer(many=True)


ON = OpenApiParameter("on", date, description="最后一天，默认昨天；今天还没过完，不能选。")


def weeks_of(usual: int) -> OpenApiParameter:
    return OpenApiParameter("weeks", int, description=f"几周，默认 {usual}，最多 {MOST_WEEKS}。")


class InsightViewSet(GenericViewSet[Community]):
    """社群洞察：指标、热力图、留存、转化路径、健康分。没有数据覆盖的为 null，并说明原因。"""

    queryset = Community.objects.none()
    required_capabilities: ClassVar[dict[str, Required]] = {
        "figures": VIEW,
        "heat": VIEW,
        "retention": VIEW,
        "paths": VIEW,
        "health": VIEW,
    }

    def get_queryset(self) -> models.QuerySet[Community]:
        communities = Community.objects.visible_to(acting_user(self.request))
        return communities.select_related("enterprise")

    @extend_schema(parameters=[ON], responses=InsightSerializer)
    def figures(self, request: Request, pk: str) -> Response:
        """一个社群到某一天为止的全部指标。"""
        community = self.get_object()
        on, _weeks = self.asked(OnQuery)
        found = figures_of(community, on=on)
        return Response(InsightSerializer({"as_of": on, "figures": found}).data)

    @extend_schema(parameters=[ON, weeks_of(HEAT_WEEKS)], responses=HeatMapSerializer)
    def heat(self, request: Request, pk: str) -> Response:
        """星期 × 小时的活跃热力图：平均每天的不同活跃成员，人太少的格子为 null。"""
        community = self.get_object()
        on, weeks = self.asked(WeeksQuery)
        heat = heat_map(community, until=on, weeks=weeks or HEAT_WEEKS)
        answer = {
            "as_of": on,
            "since": heat.since,
            "weeks": heat.weeks,
            "measured_days": heat.measured_days,
            "fewest": FEW_ACTIVE,
            "cells": heat.cells,
        }
        return Response(HeatMapSerializer(answer).data)

    @extend_schema(parameters=[ON, weeks_of(COHORT_WEEKS)], responses=RetentionSerializer)
    def retention(self, request: Request, pk: str) -> Response:
        """按加入周的留存：只给已经过完、每天都有数据覆盖的格子。"""
        community = self.get_object()
        on, asked = self.asked(WeeksQuery)
        weeks = asked or COHORT_WEEKS
        found = cohorts(community, until=on, weeks=weeks)
        return Response(RetentionSerializer({"as_of": on, "weeks": weeks, "cohorts": found}).data)

    @extend_schema(parameters=[FROM, TO], responses=PathsSerializer)
    def paths(self, request: Request, pk: str) -> Response:
        """首单前 30 天的路径，最多 20 条，人数多的在前。"""
        community = self.get_object()
        today = self.today()
        reader = self.reader(PeriodQuery, today=today)
        since, until = reader["from"], reader["to"]
        found = conversion_paths(community, since=since, until=until)
        buyers = round(found[0].buyers / found[0].share) if found else 0
        answer = {"since": since, "until": until, "note": small_number(buyers), "paths": found}
        return Response(PathsSerializer(answer).data)

    @extend_schema(parameters=[ON], responses=HealthSerializer)
    def health(self, request: Request, pk: str) -> Response:
        """健康分和它的各部分：各取自己近 12 个月里的百分位。"""
        community = self.get_object()
        on, _weeks = self.asked(OnQuery)
        health = health_of(community, on=on)
        answer = {"as_of": on, "score": health.score, "parts": health.parts}
        return Response(HealthSerializer(answer).data)

    def today(self) -> date:
        zone = acting_user(self.request).enterprise.zone
        return timezone.now().astimezone(zone).date()

    def asked(self, query: type[OnQuery]) -> tuple[date, int | None]:
        """The last day and the number of weeks that a request names."""
        yesterday = self.today() - timedelta(days=1)
        read = self.reader(query, yesterday=yesterday)
        return read.get("on", yesterday), read.get("weeks")

    def reader(self, query: type[serializers.Serializer[Any]], **context: date) -> dict[str, Any]:
        reader = query(
            data=self.request.query_params, context={**self.get_serializer_context(), **context}
        )
        refuse_unknown(self.request, set(reader.fields))
        reader.is_valid(raise_exception=True)
        return dict(reader.validated_data)
