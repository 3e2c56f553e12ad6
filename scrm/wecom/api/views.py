from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.wecom.api import serializers
from scrm.wecom.models import ChannelAccount
from scrm.wecom.services import channel_accounts

VIEW, MANAGE = Capability.VIEW_ACCOUNTS, Capability.MANAGE_ACCOUNTS


class ChannelAccountFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    kind = filters.CharFilter()
    is_active = filters.BooleanFilter()

    class Meta:
        model = ChannelAccount
        fields: list[str] = []


class ChannelAccountViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[ChannelAccount]
):
    """渠道账号：通向外部平台的一条路。"""

    queryset = ChannelAccount.objects.none()
    serializer_class = serializers.ChannelAccountSerializer
    filterset_class = ChannelAccountFilter
    ordering = ("id",)
    ordering_fields = ("id", "name", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "activate": MANAGE,
        "deactivate": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[ChannelAccount]:
        rows = ChannelAccount.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=serializers.CreateChannelAccountSerializer,
        responses={201: serializers.ChannelAccountSerializer},
    )
    def create(self, request: Request) -> Response:
        return self.run_create(
            channel_accounts.create_channel_account,
            body=serializers.CreateChannelAccountSerializer,
        )

    @extend_schema(request=serializers.EditChannelAccountSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.run_verb(
            channel_accounts.edit_channel_account,
            body=serializers.EditChannelAccountSerializer,
            partial=True,
        )

    @command()
    def activate(self, request: Request, pk: str) -> Response:
        """启用。"""
        return self.run_verb(channel_accounts.activate_channel_account)

    @command()
    def deactivate(self, request: Request, pk: str) -> Response:
        """停用：不再通过它发送。"""
        return self.run_verb(channel_accounts.deactivate_channel_account)
