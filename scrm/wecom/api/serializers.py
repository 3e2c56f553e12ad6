from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.wecom.models import ChannelAccount


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


class CreateChannelAccountSerializer(EditChannelAccountSerializer):
    kind = serializers.CharField(max_length=20, help_text=_("sandbox、webhook 等已安装的渠道。"))
