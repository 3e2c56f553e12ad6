from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.serializers import (
    EmptySerializer,
    StrictModelSerializer,
    StrictSerializer,
)
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState, Platform, SyncScope
from scrm.wecom.services.connection_checks import CheckStatus, check_connection, is_well
from scrm.wecom.services.connections import (
    callback_url,
    connect_company,
    edit_connection,
    pause_connection,
    reason_in_words,
    resume_connection,
    rotate_callback_secrets,
)
from scrm.wecom.services.syncing import start_sync

VIEW, MANAGE = Capability.VIEW_ACCOUNTS, Capability.MANAGE_ACCOUNTS
VERBS = ["test", "sync", "rotate_callback", "pause", "resume"]


class WecomConnectionSerializer(StrictModelSerializer[WecomConnection]):
    name = serializers.CharField(source="account.name", read_only=True)
    account = serializers.IntegerField(
        source="account_id", read_only=True, help_text=_("渠道账号的编号。")
    )
    state_words = serializers.SerializerMethodField(help_text=_("异常的原因和解决办法。"))
    callback_url = serializers.SerializerMethodField(help_text=_("填到企业微信后台的地址。"))
    is_rotating = serializers.SerializerMethodField(
        help_text=_("回调密钥已换新，企业微信还没有验证新值；旧值仍然有效。")
    )
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事：test、sync、rotate_callback、pause、resume。")
    )

    class Meta:
        model = WecomConnection
        fields = (
            "id",
            "account",
            "name",
            "platform",
            "corp_id",
            "agent_id",
            "state",
            "state_code",
            "state_words",
            "state_since",
            "callback_url",
            "callback_verified_at",
            "is_rotating",
            "created_at",
            "available_actions",
        )

    def get_state_words(self, connection: WecomConnection) -> str:
        return reason_in_words(connection.state_code)

    def get_callback_url(self, connection: WecomConnection) -> str:
        return callback_url(connection)

    def get_is_rotating(self, connection: WecomConnection) -> bool:
        return bool(connection.former_callback_token)

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=VERBS)))
    def get_available_actions(self, connection: WecomConnection) -> list[str]:
        if not self.context["request"].user.can(MANAGE):
            return []
        paused = connection.state == ConnectionState.PAUSED
        return ["resume"] if paused else VERBS[:-1]


def secret(*, required: bool = False, length: int, words: Any) -> serializers.CharField:
    return serializers.CharField(
        max_length=length,
        required=required,
        allow_blank=not required,
        write_only=True,
        help_text=words,
    )


class EditWecomConnectionSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120, required=False, allow_blank=True)
    corp_id = serializers.CharField(
        max_length=64, help_text=_("企业 ID，形如 ww1a2b3c4d5e6f7a8b。")
    )
    agent_id = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    app_secret = secret(length=256, words=_("加密保存，从不返回；空表示不改。"))


class RotateCallbackSerializer(StrictSerializer):
    callback_token = secret(length=32, words=_("1 到 32 位字母或数字；不填则自动生成。"))
    callback_aes_key = secret(length=43, words=_("43 位字母或数字；不填则自动生成。"))


class ConnectCompanySerializer(EditWecomConnectionSerializer, RotateCallbackSerializer):
    platform = serializers.ChoiceField(choices=Platform.choices, required=False)
    app_secret = secret(required=True, length=256, words=_("加密保存，从不返回。"))


class StartSyncSerializer(StrictSerializer):
    scope = serializers.ChoiceField(choices=SyncScope.choices, required=False)


class ConnectionCheckSerializer(StrictSerializer):
    name = serializers.CharField()
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=[each.value for each in CheckStatus])
    words = serializers.CharField(help_text=_("发现了什么。"))
    fix = serializers.CharField(help_text=_("在企业微信后台哪里改。"))
    code = serializers.IntegerField(help_text=_("企业微信的错误码；0 表示没有。"))


class ConnectionTestSerializer(StrictSerializer):
    is_well = serializers.BooleanField(help_text=_("没有一项失败。"))
    checks = ConnectionCheckSerializer(many=True)


class WecomConnectionFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    state = filters.MultipleChoiceFilter(choices=ConnectionState.choices)
    platform = filters.ChoiceFilter(choices=Platform.choices)
    corp_id = filters.CharFilter()

    class Meta:
        model = WecomConnection
        fields: list[str] = []


class WecomConnectionViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[WecomConnection]
):
    """企业微信连接：一个企业的自建应用，以及它的回调。密钥只写不读。"""

    queryset = WecomConnection.objects.none()
    serializer_class = WecomConnectionSerializer
    filterset_class = WecomConnectionFilter
    ordering = ("id",)
    ordering_fields = ("id", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "test": MANAGE,
        "sync": MANAGE,
        "rotate_callback": MANAGE,
        "pause": MANAGE,
        "resume": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[WecomConnection]:
        rows = WecomConnection.objects.visible_to(acting_user(self.request))
        return rows.select_related("account").fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=ConnectCompanySerializer, responses={201: WecomConnectionSerializer})
    def create(self, request: Request) -> Response:
        """连接一个企业：不会立即调用企业微信，之后请 test。"""
        return self.run_create(connect_company, body=ConnectCompanySerializer)

    @extend_schema(request=EditWecomConnectionSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """改名称、编号或 Secret。读过数据以后，企业 ID 和 AgentId 不能再改。"""
        return self.run_verb(edit_connection, body=EditWecomConnectionSerializer, partial=True)

    @command(answer=ConnectionTestSerializer)
    def test(self, request: Request, pk: str) -> Response:
        """测试：向企业微信发几个只读请求，逐项说明结果。需要几秒。"""
        row = self.get_object()
        self.body(EmptySerializer)
        checks = check_connection(row.pk, actor=acting_user(request))
        answer = {"is_well": is_well(checks), "checks": checks}
        return Response(ConnectionTestSerializer(answer).data)

    @command(body=StartSyncSerializer)
    def sync(self, request: Request, pk: str) -> Response:
        """立即同步；进度见 sync-runs。同一连接同时只有一个同步。"""
        row = self.get_object()
        scope = self.body(StartSyncSerializer).get("scope", SyncScope.FULL)
        start_sync(row.pk, scope=scope, actor=acting_user(request))
        return self.answer(row)

    @command(body=RotateCallbackSerializer, url_path="rotate-callback")
    def rotate_callback(self, request: Request, pk: str) -> Response:
        """换新回调密钥；企业微信验证新值之前，旧值仍然有效。"""
        return self.run_verb(rotate_callback_secrets, body=RotateCallbackSerializer)

    @command()
    def pause(self, request: Request, pk: str) -> Response:
        """停用：不再调用企业微信，也不再接收回调。"""
        return self.run_verb(pause_connection)

    @command()
    def resume(self, request: Request, pk: str) -> Response:
        """启用。"""
        return self.run_verb(resume_connection)
