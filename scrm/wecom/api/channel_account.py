from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.wecom.models import ChannelAccount
from scrm.wecom.services import channel_accounts

MAX_RATE = 1_000_000

VIEW, MANAGE = Capability.VIEW_ACCOUNTS, Capability.MANAGE_ACCOUNTS


class ChannelAccountSerializer(StrictModelSerializer[ChannelAccount]):
    has_secret = serializers.SerializerMethodField(help_text=_("密钥本身从不返回。"))

    class Meta:
        model = ChannelAccount
        fields = (
            "id",
            "name",
            "kind",
            "is_active",
            "endpoint",
            "has_secret",
            "delay_ms",
            "failure_percent",
            "rate_per_second",
            "rate_burst",
            "created_at",
        )

    def get_has_secret(self, account: ChannelAccount) -> bool:
        return bool(account.secret)


class EditChannelAccountSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    endpoint = serializers.URLField(max_length=2048, required=False, allow_blank=True)
    secret = serializers.CharField(
        max_length=500,
        required=False,
        allow_blank=True,
        write_only=True,
        trim_whitespace=False,
        help_text=_("加密保存，填写后不再显示。"),
    )
    delay_ms = serializers.IntegerField(min_value=0, max_value=60_000, required=False)
    failure_percent = serializers.IntegerField(min_value=0, max_value=100, required=False)
    rate_per_second = serializers.IntegerField(
        min_value=1,
        max_value=MAX_RATE,
        required=False,
        allow_null=True,
        help_text=_("每秒最多发给多少收件人；null 表示不限。"),
    )
    rate_burst = serializers.IntegerField(
        min_value=0,
        max_value=MAX_RATE,
        required=False,
        help_text=_("空闲之后可以一次多发多少；0 表示和每秒一样。"),
    )


class CreateChannelAccountSerializer(EditChannelAccountSerializer):
    kind = serializers.CharField(max_length=20, help_text=_("sandbox、webhook 等已安装的渠道。"))


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
    serializer_class = ChannelAccountSerializer
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
        request=CreateChannelAccountSerializer,
        responses={201: ChannelAccountSerializer},
    )
    def create(self, request: Request) -> Response:
        return self.run_create(
            channel_accounts.create_channel_account,
            body=CreateChannelAccountSerializer,
        )

    @extend_schema(request=EditChannelAccountSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.run_verb(
            channel_accounts.edit_channel_account,
            body=EditChannelAccountSerializer,
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
