from __future__ import annotations

from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.models import Broadcast, BroadcastForecast
from campaigns.rules.forecasts import COMPARED, Note, Option
from campaigns.selectors.forecast_accuracy import accuracy_of
from campaigns.services.forecasting import forecast_now, make_forecast
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.serializers import EmptySerializer

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS
PK = OpenApiParameter("pk", OpenApiTypes.INT64, OpenApiParameter.PATH)


class RangeSerializer(serializers.Serializer[Any]):
    """平均值和 80% 区间。"""

    mean = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class OutlookSerializer(serializers.Serializer[Any]):
    option = serializers.ChoiceField(
        choices=[
            (Option.CHOSEN.value, _("现在选的人")),
            (Option.ALL.value, _("这些社群的所有人")),
            (Option.TOP.value, _("净收益最高的一批人")),
        ]
    )
    people = serializers.IntegerField(help_text=_("这样选有多少人。"))
    reach = RangeSerializer(help_text=_("送达人数。"))
    clicks = RangeSerializer(help_text=_("点击人数。"))
    orders = RangeSerializer(help_text=_("下单人数。"))
    leaves = RangeSerializer(help_text=_("退出人数。"))
    value_at_stake = RangeSerializer(help_text=_("退出的人的预计价值（分）。"))
    margin = RangeSerializer(help_text=_("增量毛利（分）：扣除平时本来会下的单。"))
    net = RangeSerializer(help_text=_("净收益（分）：增量毛利减成本减流失的价值。"))
    marginal_amount = serializers.FloatField(
        help_text=_("最后一位收件人预计的净收益（分）；负数表示多发不如少发。")
    )
    losing = serializers.IntegerField(help_text=_("其中预计净收益为负的人数。"))
    losing_amount = serializers.FloatField(help_text=_("发给他们预计亏多少（分）。"))


class WorstCellSerializer(serializers.Serializer[Any]):
    segment = serializers.CharField(help_text=_("RFM 分群；空表示没有。"))
    band = serializers.CharField(help_text=_("流失风险；空表示没有评分。"))
    is_dormant = serializers.BooleanField()
    is_new = serializers.BooleanField()
    people = serializers.IntegerField()
    net_amount = serializers.FloatField(help_text=_("每人预计净收益（分）。"))


class ForecastFiguresSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField()
    level = serializers.FloatField(help_text=_("区间包含多少次抽样。"))
    window_hours = serializers.IntegerField()
    broadcasts = serializers.IntegerField(help_text=_("参考了本企业几次群发。"))
    leaves = serializers.IntegerField(help_text=_("这些群发里有多少人退出。"))
    margin_percent = serializers.IntegerField()
    cost_amount = serializers.IntegerField()
    treated_share = serializers.FloatField(help_text=_("不在对照组的比例。"))
    options = OutlookSerializer(many=True)
    worst = WorstCellSerializer(many=True, help_text=_("现在选的人里最不划算的几类。"))
    unprofiled = serializers.IntegerField(
        help_text=_("没有画像同意、按平均值估计的人数；请先取得他们的同意。")
    )
    notes = serializers.ListField(child=serializers.ChoiceField(choices=[*Note]))


class HappenedSerializer(serializers.Serializer[Any]):
    """定稿报告里的数；没有测量的为 null。"""

    reach = serializers.FloatField(allow_null=True)
    clicks = serializers.FloatField(allow_null=True)
    orders = serializers.FloatField(allow_null=True)
    leaves = serializers.FloatField(allow_null=True)
    value_at_stake = serializers.FloatField(allow_null=True)
    net = serializers.FloatField(allow_null=True)
    inside = serializers.DictField(
        child=serializers.BooleanField(allow_null=True), help_text=_("是否落在预测区间内。")
    )


class BroadcastForecastSerializer(serializers.Serializer[Any]):
    broadcast = serializers.IntegerField(source="broadcast_id")
    run = serializers.IntegerField(
        source="run_id", allow_null=True, help_text=_("开始发送时锁定的预测属于哪次执行。")
    )
    is_assumption = serializers.BooleanField(
        help_text=_("本企业的历史不到 30 次群发、50 人退出：只是假设。")
    )
    computed_at = serializers.DateTimeField()
    figures = ForecastFiguresSerializer()
    actual = HappenedSerializer(allow_null=True, help_text=_("报告定稿之前为 null。"))


class AccuracySerializer(serializers.Serializer[Any]):
    figure = serializers.ChoiceField(choices=[*COMPARED])
    judged = serializers.IntegerField(help_text=_("有实际数可比的预测次数。"))
    inside = serializers.IntegerField(help_text=_("其中实际落在区间内的次数。"))
    share = serializers.FloatField(allow_null=True)
    expected = serializers.FloatField(help_text=_("应该落在区间内的比例。"))
    is_small = serializers.BooleanField(help_text=_("少于 30 次，比例说明不了什么。"))


class BroadcastForecastView(APIView):
    required_capabilities: ClassVar[dict[str, Required]] = {"get": VIEW, "post": COMPOSE}

    @extend_schema(parameters=[PK], responses=BroadcastForecastSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """这条群发现在发，预计带来什么、损失什么；10 分钟内算过的直接返回，不写任何数据。"""
        forecast = forecast_now(broadcast_of(request, pk))
        return Response(BroadcastForecastSerializer(forecast).data)

    @extend_schema(parameters=[PK], request=EmptySerializer, responses=BroadcastForecastSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """重新预测，并作为发送之前的预测保存。"""
        EmptySerializer(data=request.data).is_valid(raise_exception=True)
        forecast = make_forecast(broadcast_of(request, pk).pk, actor=acting_user(request))
        return Response(BroadcastForecastSerializer(forecast).data)


class RunForecastView(APIView):
    required_capabilities: ClassVar[dict[str, Required]] = {"get": VIEW}

    @extend_schema(parameters=[PK], responses=BroadcastForecastSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """这次执行开始时锁定的预测；报告定稿后同时给出实际。"""
        forecasts = BroadcastForecast.objects.visible_to(acting_user(request))
        forecast = get_object_or_404(forecasts, run=pk)
        return Response(BroadcastForecastSerializer(forecast).data)


class ForecastAccuracyView(APIView):
    required_capabilities: ClassVar[dict[str, Required]] = {"get": VIEW}

    @extend_schema(responses=AccuracySerializer(many=True))
    def get(self, request: Request) -> Response:
        """过去的预测区间有多少次包含了实际：应当接近 80%。"""
        found = accuracy_of(acting_user(request))
        return Response(AccuracySerializer(found, many=True).data)


def broadcast_of(request: Request, pk: int) -> Broadcast:
    return get_object_or_404(Broadcast.objects.visible_to(acting_user(request)), pk=pk)
