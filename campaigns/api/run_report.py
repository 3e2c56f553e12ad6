from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from campaigns.models import Broadcast, QuitWatch, Run, RunReport
from campaigns.rules.guarding import WatchState
from campaigns.services.exporting import export_recipients
from campaigns.services.reporting import report_now
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import EmptySerializer, StrictModelSerializer

VIEW = Capability.VIEW_CAMPAIGNS
RUN_ID = OpenApiParameter("pk", OpenApiTypes.INT64, OpenApiParameter.PATH)
STEPS = [
    ("delivered", _("送达")),
    ("clicked", _("点击")),
    ("interacted", _("互动")),
    ("ordered", _("下单")),
]


class FunnelStepSerializer(serializers.Serializer[Any]):
    step = serializers.ChoiceField(choices=STEPS)
    people = serializers.IntegerField(help_text=_("做了这一步的人数，不论前一步。"))
    in_order = serializers.IntegerField(help_text=_("依次走到这一步的人数。"))


class LeavesSerializer(serializers.Serializer[Any]):
    window_hours = serializers.IntegerField()
    state = serializers.ChoiceField(choices=WatchState.choices)
    exposed = serializers.IntegerField()
    leaves = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(help_text=_("Wilson 95% 区间。"))
    high = serializers.FloatField()
    usual_rate = serializers.FloatField(help_text=_("之前 14 天同一时段的退出率。"))
    usual_days = serializers.IntegerField(help_text=_("其中没有别的群发的天数；0 表示都有。"))
    excess = serializers.FloatField(help_text=_("比平时多退出的人数。"))
    value_amount = serializers.IntegerField(help_text=_("退出的人近一年净消费（分）。"))
    value_lost_amount = serializers.IntegerField(help_text=_("其中比平时多的部分（分）。"))
    has_tripped = serializers.BooleanField()


class IncrementSerializer(serializers.Serializer[Any]):
    """与不发送的对照组相比，每个收件人多消费多少（分），95% 区间和双侧 p 值。"""

    treated = serializers.IntegerField()
    held_out = serializers.IntegerField()
    per_head = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    p = serializers.FloatField()
    sales_amount = serializers.IntegerField()


class ReactedSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    reached = serializers.IntegerField()
    leaves = serializers.IntegerField()
    clicked = serializers.IntegerField()
    interacted = serializers.IntegerField()
    ordered = serializers.IntegerField()
    reacted = serializers.IntegerField(help_text=_("点击或互动过的人数。"))
    orders = serializers.IntegerField()
    sales_amount = serializers.IntegerField()


class CommunityFiguresSerializer(ReactedSerializer):
    id = serializers.IntegerField()


class ReportArmSerializer(ReactedSerializer):
    arm = serializers.IntegerField()
    margin_amount = serializers.IntegerField(
        allow_null=True, default=None, help_text=_("这一组与对照组相比的增量毛利（分）。")
    )


class RecipientStatesSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    delivered = serializers.IntegerField()
    awaiting_owner = serializers.IntegerField()
    failed = serializers.IntegerField()
    suppressed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    expired = serializers.IntegerField()
    planned = serializers.IntegerField()


class ReportFiguresSerializer(serializers.Serializer[Any]):
    """金额单位是分。没有对照组时增量、净收益和 ROI 未知（null），不用销售额代替。"""

    window_hours = serializers.IntegerField()
    recipients = RecipientStatesSerializer()
    people_reached = serializers.IntegerField(help_text=_("发到群时是群里的人数。"))
    began_at = serializers.DateTimeField(allow_null=True)
    funnel = FunnelStepSerializer(many=True)
    interaction_rate = serializers.FloatField(allow_null=True)
    orders = serializers.IntegerField()
    sales_amount = serializers.IntegerField(
        help_text=_("收到的人在窗口内的净消费，不等于这次群发带来的。")
    )
    leaves = LeavesSerializer(many=True)
    increment = IncrementSerializer(allow_null=True)
    margin_percent = serializers.IntegerField()
    margin_amount = serializers.IntegerField(allow_null=True, help_text=_("增量毛利。"))
    margin_low = serializers.IntegerField(allow_null=True)
    margin_high = serializers.IntegerField(allow_null=True)
    cost_amount = serializers.IntegerField()
    value_lost_amount = serializers.IntegerField()
    net_amount = serializers.IntegerField(
        allow_null=True, help_text=_("增量毛利减成本减流失的价值。")
    )
    roi = serializers.FloatField(allow_null=True, help_text=_("净收益除以成本。"))
    by_community = CommunityFiguresSerializer(many=True)
    by_arm = ReportArmSerializer(many=True)


class RunReportSerializer(serializers.Serializer[Any]):
    run = serializers.IntegerField(source="run_id")
    computed_at = serializers.DateTimeField()
    is_final = serializers.BooleanField()
    figures = ReportFiguresSerializer()


class ReportSummarySerializer(StrictModelSerializer[RunReport]):
    broadcast = serializers.IntegerField(source="run.broadcast_id", read_only=True)
    broadcast_name = serializers.CharField(source="run.broadcast.name", read_only=True)
    people_reached = serializers.IntegerField(
        source="figures.people_reached", read_only=True, default=None, allow_null=True
    )
    net_amount = serializers.IntegerField(
        source="figures.net_amount", read_only=True, default=None, allow_null=True
    )

    class Meta:
        model = RunReport
        fields = (
            "id",
            "run",
            "broadcast",
            "broadcast_name",
            "people_reached",
            "net_amount",
            "computed_at",
            "is_final",
        )


class QuitWatchSerializer(StrictModelSerializer[QuitWatch]):
    class Meta:
        model = QuitWatch
        fields = (
            "window_hours",
            "state",
            "exposed_count",
            "leave_count",
            "baseline_rate",
            "baseline_days",
            "lower",
            "upper",
            "value_amount",
            "began_at",
            "checked_at",
        )


def run_of(request: Request, pk: int) -> Run:
    runs = Run.objects.visible_to(acting_user(request)).select_related("broadcast")
    return get_object_or_404(runs, pk=pk)


class RunReportView(APIView):
    required_capabilities: ClassVar[dict[str, Required]] = {"get": VIEW}

    @extend_schema(parameters=[RUN_ID], responses=RunReportSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """这次执行的报告：漏斗、退群、增量与成本。没定稿的每 5 分钟重算一次。"""
        return Response(RunReportSerializer(report_now(run_of(request, pk))).data)


class QuitWatchView(APIView):
    required_capabilities: ClassVar[dict[str, Required]] = {"get": VIEW}

    @extend_schema(parameters=[RUN_ID], responses=QuitWatchSerializer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """退群观察：24 小时和 72 小时各一行，触发时剩下的已叫停。"""
        watches = run_of(request, pk).quit_watches.order_by("window_hours")
        return Response(QuitWatchSerializer(watches, many=True).data)


class CsvRenderer(BaseRenderer):
    """Only says that a table may be asked for; it is streamed past the renderers."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"


class RecipientExportView(APIView):
    required_capabilities: ClassVar[dict[str, Required]] = {"post": Capability.EXPORT_CAMPAIGNS}
    renderer_classes = (JSONRenderer, CsvRenderer)

    @extend_schema(
        parameters=[RUN_ID], request=None, responses={(200, "text/csv"): OpenApiTypes.STR}
    )
    def post(self, request: Request, pk: int) -> HttpResponseBase:
        """导出收件人和每人的结果（CSV），逐段读取；谁导出过会留在审计里。"""
        EmptySerializer(data=request.data).is_valid(raise_exception=True)
        pieces = export_recipients(run_of(request, pk).pk, actor=acting_user(request))
        return csv_response(pieces, name=f"run-{pk}.csv")


def csv_response(pieces: Any, *, name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


class RunReportFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    broadcast = VisibleModelChoiceFilter(model=Broadcast, field_name="run__broadcast")
    is_final = filters.BooleanFilter()

    class Meta:
        model = RunReport
        fields: list[str] = []


class RunReportViewSet(mixins.ListModelMixin, GenericViewSet[RunReport]):
    """所有执行的报告，新的在前；数字见 /api/v1/runs/{id}/report/。"""

    queryset = RunReport.objects.none()
    serializer_class = ReportSummarySerializer
    filterset_class = RunReportFilter
    ordering = ("-id",)
    ordering_fields = ("id", "computed_at")
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW}

    def get_queryset(self) -> models.QuerySet[RunReport]:
        reports = RunReport.objects.visible_to(acting_user(self.request))
        return reports.select_related("run__broadcast").fetch_mode(models.FETCH_RAISE)
