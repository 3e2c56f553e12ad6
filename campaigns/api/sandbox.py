from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_filters import rest_framework as filters
from rest_framework import mixins
from rest_framework.viewsets import GenericViewSet

from campaigns.models import SandboxMessage
from campaigns.rules.status import RecipientKind
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.wecom.models import ChannelAccount

VIEW = Capability.VIEW_CAMPAIGNS


class SandboxMessageSerializer(StrictModelSerializer[SandboxMessage]):
    class Meta:
        model = SandboxMessage
        fields = (
            "id",
            "channel_account",
            "key",
            "recipient_kind",
            "recipient_ref",
            "body",
            "received_at",
        )


class SandboxMessageFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    channel_account = VisibleModelChoiceFilter(model=ChannelAccount)
    recipient_kind = filters.ChoiceFilter(choices=RecipientKind.choices)
    recipient_ref = filters.CharFilter()

    class Meta:
        model = SandboxMessage
        fields: list[str] = []


class SandboxMessageViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[SandboxMessage]
):
    """发件箱：沙盒渠道收到的每一条。"""

    queryset = SandboxMessage.objects.none()
    serializer_class = SandboxMessageSerializer
    filterset_class = SandboxMessageFilter
    ordering = ("-id",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW, "retrieve": VIEW}

    def get_queryset(self) -> models.QuerySet[SandboxMessage]:
        messages = SandboxMessage.objects.visible_to(acting_user(self.request))
        return messages.fetch_mode(models.FETCH_RAISE)
