from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from campaigns.models import Broadcast, ContentVersion, Delivery, Run
from campaigns.progress_words import reason_in_words
from campaigns.rules.reasons import ReasonKind, reason_kind
from campaigns.rules.status import BroadcastTarget, DeliveryStatus, RunStatus
from campaigns.selectors.choices import RUN_ACTIONS, actions_of_run
from campaigns.selectors.progress import failure_reasons, progress_of
from campaigns.selectors.recipients import with_recipient_name
from campaigns.services.missed import run_missed, skip_missed
from campaigns.services.reminding import remind_run
from campaigns.services.retrying import retry_failed
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import EmptySerializer, StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS
MOST_REASONS = 50
REASON_KINDS = [
    (ReasonKind.SUPPRESSED.value, _("规则拦下")),
    (ReasonKind.TRANSIENT.value, _("可以重试")),
    (ReasonKind.PERMANENT.value, _("重试也一样")),
]


class RunSerializer(StrictModelSerializer[Run]):
    broadcast_name = serializers.CharField(source="broadcast.name", read_only=True)
    available_actions = serializers.SerializerMethodField(help_text=_("当前用户现在可以做的事。"))

    class Meta:
        model = Run
        fields = (
            "id",
            "broadcast",
            "broadcast_name",
            "planned_for",
            "status",
            "status_reason",
            "content_version",
            "arm",
            "is_prefrozen",
            "recipient_count",
            "dispatch_count",
            "held_until",
            "held_reason",
            "started_at",
            "finished_at",
            "available_actions",
        )

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(RUN_ACTIONS)))
    def get_available_actions(self, run: Run) -> list[str]:
        return actions_of_run(run, self.context["request"].user)


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
    expired = serializers.IntegerField(help_text=_("30 天内没有人确认，平台不再接受。"))
    in_flight = serializers.IntegerField(help_text=_("planned 之中正在渠道手里的。"))
    percent = serializers.IntegerField()
    held_until = serializers.DateTimeField(
        allow_null=True, help_text=_("渠道限流、故障或免打扰时，到这个时间再继续。")
    )
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class FailureReasonSerializer(serializers.Serializer[Any]):
    """一种没有送达的原因：多少人，能不能重发。"""

    status = serializers.ChoiceField(choices=DeliveryStatus.choices)
    reason = serializers.CharField()
    words = serializers.CharField()
    count = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=REASON_KINDS)


class RetrySerializer(StrictSerializer):
    reasons: Any = serializers.ListField(
        child=serializers.CharField(max_length=60),
        min_length=1,
        max_length=MOST_REASONS,
        help_text=_("只重发因这些原因失败的，见 /api/v1/runs/{id}/reasons/。"),
    )


class RecipientCountSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()


class DeliverySerializer(StrictModelSerializer[Delivery]):
    reason_words = serializers.SerializerMethodField(help_text=_("给人看的原因。"))
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
            "reason_words",
            "settled_at",
        )

    def get_reason_words(self, delivery: Delivery) -> str:
        return reason_in_words(delivery.reason) if delivery.reason else ""


class RunFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    broadcast = VisibleModelChoiceFilter(model=Broadcast)
    content_version = VisibleModelChoiceFilter(model=ContentVersion)
    status = filters.MultipleChoiceFilter(choices=RunStatus.choices)
    planned_after = filters.IsoDateTimeFilter(field_name="planned_for", lookup_expr="gte")
    planned_before = filters.IsoDateTimeFilter(field_name="planned_for", lookup_expr="lt")

    class Meta:
        model = Run
        fields: list[str] = []


class RunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Run]):
    """群发的每一次执行，错过的也在内。"""

    queryset = Run.objects.none()
    serializer_class = RunSerializer
    filterset_class = RunFilter
    ordering = ("-id",)
    ordering_fields = ("id", "planned_for", "started_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "progress": VIEW,
        "reasons": VIEW,
        "retry": COMPOSE,
        "remind": COMPOSE,
        "run_missed": COMPOSE,
        "skip_missed": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[Run]:
        runs = Run.objects.visible_to(acting_user(self.request))
        return runs.select_related("broadcast").fetch_mode(models.FETCH_RAISE)

    @extend_schema(responses=ProgressSerializer)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def progress(self, request: Request, pk: str) -> Response:
        """读批次的计数，收件人再多代价也不变。"""
        return Response(ProgressSerializer(progress_of(self.get_object().pk)).data)

    @extend_schema(responses=FailureReasonSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def reasons(self, request: Request, pk: str) -> Response:
        """没有送达的按原因分开，最多的在前。要读每个收件人的结果，不要轮询。"""
        found = [
            {
                "status": status,
                "reason": reason,
                "words": reason_in_words(reason),
                "count": count,
                "kind": reason_kind(reason),
            }
            for status, reason, count in failure_reasons(self.get_object().pk)
        ]
        return Response(FailureReasonSerializer(found, many=True).data)

    @command(body=RetrySerializer, answer=RecipientCountSerializer)
    def retry(self, request: Request, pk: str) -> Response:
        """只重发因这些原因失败的收件人；返回多少位。"""
        run = self.get_object()
        count = retry_failed(run.pk, actor=acting_user(request), **self.body(RetrySerializer))
        return Response(RecipientCountSerializer({"count": count}).data)

    @command(answer=RecipientCountSerializer)
    def remind(self, request: Request, pk: str) -> Response:
        """提醒还没确认的群主，平台每 24 小时最多 3 次；返回提醒了多少个批次。"""
        run = self.get_object()
        self.body(EmptySerializer)
        count = remind_run(run.pk, actor=acting_user(request))
        return Response(RecipientCountSerializer({"count": count}).data)

    @command(url_path="run-missed")
    def run_missed(self, request: Request, pk: str) -> Response:
        """错过了时间、等人决定的：现在补发。"""
        return self.run_verb(run_missed)

    @command(url_path="skip-missed")
    def skip_missed(self, request: Request, pk: str) -> Response:
        """错过了时间、等人决定的：不发了。"""
        return self.run_verb(skip_missed)


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
