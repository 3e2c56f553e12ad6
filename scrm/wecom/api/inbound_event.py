from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.wecom.models import InboundEvent, WecomConnection
from scrm.wecom.rules.event_words import event_in_words
from scrm.wecom.rules.masking import masked
from scrm.wecom.rules.status import EventState
from scrm.wecom.services.inbox import replay_event

VIEW, MANAGE = Capability.VIEW_ACCOUNTS, Capability.MANAGE_ACCOUNTS
FACTS = (
    "id",
    "connection",
    "event",
    "change_type",
    "detail",
    "words",
    "subject",
    "occurred_at",
    "received_at",
    "state",
    "reason",
    "attempt_count",
    "settled_at",
)


class InboundEventSerializer(StrictModelSerializer[InboundEvent]):
    words = serializers.SerializerMethodField(help_text=_("事件的中文名称。"))

    class Meta:
        model = InboundEvent
        fields = FACTS

    def get_words(self, event: InboundEvent) -> str:
        return event_in_words(event.event, event.change_type, event.detail)


class InboundEventDetailSerializer(InboundEventSerializer):
    payload = serializers.SerializerMethodField(
        help_text=_("解密后的原文，手机号等已遮盖；没有管理权限，或保存期已过时为 null。")
    )

    class Meta:
        model = InboundEvent
        fields = (*FACTS, "payload", "payload_emptied_at")

    def get_payload(self, event: InboundEvent) -> str | None:
        if not event.payload or not self.context["request"].user.can(MANAGE):
            return None
        return masked(event.payload)


class InboundEventFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    connection = VisibleModelChoiceFilter(model=WecomConnection)
    state = filters.MultipleChoiceFilter(choices=EventState.choices)
    event = filters.CharFilter()
    change_type = filters.CharFilter()
    subject = filters.CharFilter()
    received_after = filters.IsoDateTimeFilter(field_name="received_at", lookup_expr="gte")
    received_before = filters.IsoDateTimeFilter(field_name="received_at", lookup_expr="lt")

    class Meta:
        model = InboundEvent
        fields: list[str] = []


class InboundEventViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[InboundEvent]
):
    """平台回调：收到的每一个事件和处理结果。"""

    queryset = InboundEvent.objects.none()
    serializer_class = InboundEventSerializer
    filterset_class = InboundEventFilter
    ordering = ("-id",)
    ordering_fields = ("id",)
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "replay": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[InboundEvent]:
        """A document is deciphered only for whoever asks for that one."""
        rows = InboundEvent.objects.visible_to(acting_user(self.request))
        if self.action == "retrieve":
            return rows.fetch_mode(models.FETCH_RAISE)
        return rows.defer("payload").fetch_mode(models.FETCH_RAISE)

    def get_serializer_class(self) -> Any:
        if self.action == "retrieve":
            return InboundEventDetailSerializer
        return super().get_serializer_class()

    @extend_schema(responses=InboundEventDetailSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """一个事件，含解密后的原文（需要管理权限）。"""
        return super().retrieve(request, *args, **kwargs)

    @command()
    def replay(self, request: Request, pk: str) -> Response:
        """重新处理失败或被忽略的事件；已经生效的不会重复生效。"""
        return self.run_verb(replay_event)
