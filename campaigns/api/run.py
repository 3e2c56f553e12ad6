from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from campaigns.models import Broadcast, Delivery, Run
from campaigns.rules.status import BroadcastTarget, DeliveryStatus, RunStatus
from campaigns.selectors.progress import progress_of
from campaigns.selectors.recipients import with_recipient_name
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer

VIEW = Capability.VIEW_CAMPAIGNS


class RunSerializer(StrictModelSerializer[Run]):
    broadcast_name = serializers.CharField(source="broadcast.name", read_only=True)

    class Meta:
        model = Run
        fields = (
            "id",
            "broadcast",
            "broadcast_name",
            "planned_for",
            "status",
            "recipient_count",
            "dispatch_count",
            "held_until",
            "started_at",
            "finished_at",
        )


class ProgressSerializer(serializers.Serializer[Any]):
    """每个收件人恰好在一种状态里：各数之和永远等于 total。"""

    run_id = serializers.IntegerField()
    run_status = serializers.ChoiceField(choices=RunStatus.choices)
    total = serializers.IntegerField()
    planned = serializers.IntegerField()
    awaiting_owner = serializers.IntegerField()
    delivered = serializers.IntegerField()
    failed = serializers.IntegerField()
    suppressed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    in_flight = serializers.IntegerField(help_text=_("planned 之中正在渠道手里的。"))
    percent = serializers.IntegerField()
    held_until = serializers.DateTimeField(
        allow_null=True, help_text=_("渠道限流或故障，到这个时间再继续。")
    )
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class DeliverySerializer(StrictModelSerializer[Delivery]):
    recipient_kind = serializers.ChoiceField(
        choices=BroadcastTarget.choices, source="run.broadcast.target", read_only=True
    )
    recipient_name = serializers.CharField(read_only=True, allow_null=True)

    class Meta:
        model = Delivery
        fields = (
            "recipient_id",
            "recipient_kind",
            "recipient_name",
            "status",
            "reason",
            "settled_at",
        )


class RunFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    broadcast = VisibleModelChoiceFilter(model=Broadcast)
    status = filters.MultipleChoiceFilter(choices=RunStatus.choices)

    class Meta:
        model = Run
        fields: list[str] = []


class RunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Run]):
    """群发的每一次执行。"""

    queryset = Run.objects.none()
    serializer_class = RunSerializer
    filterset_class = RunFilter
    ordering = ("-id",)
    ordering_fields = ("id", "planned_for", "started_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "progress": VIEW,
    }

    def get_queryset(self) -> models.QuerySet[Run]:
        runs = Run.objects.visible_to(acting_user(self.request))
        return runs.select_related("broadcast").fetch_mode(models.FETCH_RAISE)

    @extend_schema(responses=ProgressSerializer)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def progress(self, request: Request, pk: str) -> Response:
        """读批次的计数，收件人再多代价也不变。"""
        return Response(ProgressSerializer(progress_of(self.get_object().pk)).data)


class DeliveryFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=DeliveryStatus.choices)
    reason = filters.CharFilter()

    class Meta:
        model = Delivery
        fields: list[str] = []


@extend_schema_view(
    list=extend_schema(  # the id of the run; Delivery itself has a composite key
        parameters=[OpenApiParameter("pk", OpenApiTypes.INT64, OpenApiParameter.PATH)]
    )
)
class DeliveryViewSet(mixins.ListModelMixin, GenericViewSet[Delivery]):
    """一次执行里每个收件人的结果，按收件人编号。"""

    queryset = Delivery.objects.none()
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    ordering = ("run", "recipient_id")
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW}

    def get_queryset(self) -> models.QuerySet[Delivery]:
        runs = Run.objects.visible_to(acting_user(self.request)).select_related("broadcast")
        run = get_object_or_404(runs, pk=self.kwargs["pk"])
        deliveries = Delivery.objects.filter(run=run).select_related("run__broadcast")
        named = with_recipient_name(deliveries, target=run.broadcast.target)
        return named.fetch_mode(models.FETCH_RAISE)
