from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_filters import rest_framework as filters
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.wecom.models import ReadRequest, WecomConnection
from scrm.wecom.rules.status import ReadKind, ReadState
from scrm.wecom.services.reading import replay_read

VIEW, MANAGE = Capability.VIEW_ACCOUNTS, Capability.MANAGE_ACCOUNTS


class ReadRequestSerializer(StrictModelSerializer[ReadRequest]):
    class Meta:
        model = ReadRequest
        fields = (
            "id",
            "connection",
            "kind",
            "external_id",
            "state",
            "attempt_count",
            "reason",
            "requested_at",
            "due_at",
        )


class ReadRequestFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    connection = VisibleModelChoiceFilter(model=WecomConnection)
    state = filters.MultipleChoiceFilter(choices=ReadState.choices)
    kind = filters.MultipleChoiceFilter(choices=ReadKind.choices)
    external_id = filters.CharFilter()

    class Meta:
        model = ReadRequest
        fields: list[str] = []


class ReadRequestViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[ReadRequest]
):
    """待读取对象：事件说有变化、要向企业微信重新读取的群、客户和员工；读完即消失。"""

    queryset = ReadRequest.objects.none()
    serializer_class = ReadRequestSerializer
    filterset_class = ReadRequestFilter
    ordering = ("-id",)
    ordering_fields = ("id", "due_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "replay": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[ReadRequest]:
        rows = ReadRequest.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @command()
    def replay(self, request: Request, pk: str) -> Response:
        """重新读取失败的对象。"""
        return self.run_verb(replay_read)
