from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.wecom.models import SyncRun, WecomConnection
from scrm.wecom.rules.status import SyncScope, SyncState
from scrm.wecom.rules.sync_words import drift_in_words
from scrm.wecom.services.syncing import cancel_sync

VIEW, MANAGE = Capability.VIEW_ACCOUNTS, Capability.MANAGE_ACCOUNTS


class SyncRunSerializer(StrictModelSerializer[SyncRun]):
    counts = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        read_only=True,
        help_text=_("每个步骤读到、新增、更新、结束了多少。"),
    )
    drift = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        read_only=True,
        help_text=_("回调没有告诉我们的变化，即丢失了多少回调。"),
    )
    drift_words = serializers.SerializerMethodField(help_text=_("差异的一句话说明。"))
    requested_by_name = serializers.CharField(
        source="requested_by.username", read_only=True, default=""
    )

    class Meta:
        model = SyncRun
        fields = (
            "id",
            "connection",
            "scope",
            "state",
            "step",
            "counts",
            "drift",
            "drift_words",
            "reason",
            "requested_by",
            "requested_by_name",
            "started_at",
            "finished_at",
        )

    def get_drift_words(self, run: SyncRun) -> str:
        return drift_in_words(run.drift)


class SyncRunFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    connection = VisibleModelChoiceFilter(model=WecomConnection)
    state = filters.MultipleChoiceFilter(choices=SyncState.choices)
    scope = filters.MultipleChoiceFilter(choices=SyncScope.choices)

    class Meta:
        model = SyncRun
        fields: list[str] = []


class SyncRunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[SyncRun]):
    """同步记录：每次从企业微信读取现状的经过。"""

    queryset = SyncRun.objects.none()
    serializer_class = SyncRunSerializer
    filterset_class = SyncRunFilter
    ordering = ("-id",)
    ordering_fields = ("id", "started_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "cancel": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[SyncRun]:
        rows = SyncRun.objects.visible_to(acting_user(self.request))
        return rows.select_related("requested_by").fetch_mode(models.FETCH_RAISE)

    @command()
    def cancel(self, request: Request, pk: str) -> Response:
        """取消进行中的同步；已经写入的保留。"""
        return self.run_verb(cancel_sync)
