from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import Dispatch, Run
from campaigns.progress_words import reason_in_words
from campaigns.rules.status import DispatchStatus
from campaigns.selectors.choices import DISPATCH_ACTIONS, actions_of_dispatch
from campaigns.selectors.confirmations import with_sender_name
from campaigns.services.reminding import remind_dispatch
from campaigns.services.stopping import stop_dispatch
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS


class DispatchSerializer(StrictModelSerializer[Dispatch]):
    broadcast = serializers.IntegerField(source="run.broadcast_id", read_only=True)
    recipient_count = serializers.IntegerField(read_only=True)
    sender_name = serializers.CharField(
        read_only=True, allow_null=True, help_text=_("由谁在平台上确认发送。")
    )
    last_error_words = serializers.SerializerMethodField(help_text=_("给人看的最近错误。"))
    available_actions = serializers.SerializerMethodField(help_text=_("当前用户现在可以做的事。"))

    class Meta:
        model = Dispatch
        fields = (
            "id",
            "run",
            "broadcast",
            "sequence",
            "status",
            "arm",
            "sender",
            "sender_name",
            "recipient_count",
            "delivered_count",
            "awaiting_count",
            "failed_count",
            "suppressed_count",
            "cancelled_count",
            "expired_count",
            "attempt_count",
            "lost_count",
            "last_error",
            "last_error_words",
            "due_at",
            "submitted_at",
            "confirmed_at",
            "reminded_at",
            "remind_asked_at",
            "poll_count",
            "available_actions",
        )

    def get_last_error_words(self, dispatch: Dispatch) -> str:
        return reason_in_words(dispatch.last_error) if dispatch.last_error else ""

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(DISPATCH_ACTIONS)))
    def get_available_actions(self, dispatch: Dispatch) -> list[str]:
        return actions_of_dispatch(dispatch, self.context["request"].user)


class DispatchFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    run = VisibleModelChoiceFilter(model=Run)
    status = filters.MultipleChoiceFilter(choices=DispatchStatus.choices)
    sender = filters.CharFilter()
    arm = filters.NumberFilter()
    has_failures = filters.BooleanFilter(method="keep_failed", label=_("有失败的"))

    class Meta:
        model = Dispatch
        fields: list[str] = []

    def keep_failed(
        self, dispatches: models.QuerySet[Dispatch], name: str, value: bool
    ) -> models.QuerySet[Dispatch]:
        failed = models.Q(failed_count__gt=0)
        return dispatches.filter(failed if value else ~failed)


class DispatchViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Dispatch]):
    """一次执行的每一个批次：一次渠道调用；要人确认的渠道上是一位群主的一个任务。"""

    queryset = Dispatch.objects.none()
    serializer_class = DispatchSerializer
    filterset_class = DispatchFilter
    ordering = ("-id",)
    ordering_fields = ("id", "run", "sequence", "submitted_at", "confirmed_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "remind": COMPOSE,
        "stop": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[Dispatch]:
        visible = Dispatch.objects.visible_to(acting_user(self.request))
        related = with_sender_name(visible).select_related("run__broadcast")
        return related.fetch_mode(models.FETCH_RAISE)

    @command()
    def remind(self, request: Request, pk: str) -> Response:
        """提醒这位群主确认，平台每 24 小时最多 3 次。"""
        return self.run_verb(remind_dispatch)

    @command()
    def stop(self, request: Request, pk: str) -> Response:
        """停止这位群主还没确认的任务；已经发出的收不回来。"""
        return self.run_verb(stop_dispatch)
