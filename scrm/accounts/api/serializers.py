from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from scrm.accounts.models import ApiKey, AuditEvent, Department, Enterprise, Staff, User
from scrm.accounts.rules.roles import Capability, DataScope, Role
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer

# --- how rows look ---


class EnterpriseSerializer(StrictModelSerializer[Enterprise]):
    class Meta:
        model = Enterprise
        fields = ("id", "name", "slug", "time_zone", "profiling_needs_consent", "created_at")


class DepartmentSerializer(StrictModelSerializer[Department]):
    class Meta:
        model = Department
        fields = ("id", "name", "parent", "external_id")


class StaffSerializer(StrictModelSerializer[Staff]):
    department_name = serializers.CharField(
        source="department.name", read_only=True, default="", help_text=_("部门名称，没有则为空。")
    )

    class Meta:
        model = Staff
        fields = ("id", "name", "department", "department_name", "external_id", "is_active")


class UserSerializer(StrictModelSerializer[User]):
    staff_name = serializers.CharField(source="staff.name", read_only=True, default="")

    class Meta:
        model = User
        fields: tuple[str, ...] = (
            "id",
            "username",
            "email",
            "role",
            "data_scope",
            "staff",
            "staff_name",
            "is_active",
            "last_login",
            "date_joined",
        )


class MeSerializer(UserSerializer):
    """Who is asking, and what this request may do."""

    enterprise = EnterpriseSerializer(read_only=True)
    capabilities = serializers.SerializerMethodField()

    class Meta(UserSerializer.Meta):
        fields = (*UserSerializer.Meta.fields, "enterprise", "capabilities")

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(Capability.choices)))
    def get_capabilities(self, user: User) -> list[str]:
        return sorted(capability for capability in Capability if user.can(capability))


class ApiKeySerializer(StrictModelSerializer[ApiKey]):
    username = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "name",
            "prefix",
            "user",
            "username",
            "scopes",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
        )


class NewApiKeySerializer(ApiKeySerializer):
    key = serializers.CharField(
        source="plain", read_only=True, help_text=_("完整密钥，只在创建时显示这一次。")
    )

    class Meta(ApiKeySerializer.Meta):
        fields = (*ApiKeySerializer.Meta.fields, "key")


class AuditEventSerializer(StrictModelSerializer[AuditEvent]):
    actor_name = serializers.CharField(source="actor.username", read_only=True, default="")
    before = serializers.DictField(read_only=True)
    after = serializers.DictField(read_only=True)

    class Meta:
        model = AuditEvent
        fields = (
            "id",
            "verb",
            "object_type",
            "object_id",
            "actor",
            "actor_name",
            "api_key",
            "before",
            "after",
            "happened_at",
        )


# --- what verbs take ---


class EditEnterpriseSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120, required=False)
    time_zone = serializers.CharField(max_length=64, required=False)
    profiling_needs_consent = serializers.BooleanField(
        required=False,
        help_text=_(
            "是否只给同意过“画像”的成员评分和估值；false 时除了拒绝或撤回的都做，次日起生效。"
        ),
    )


class DepartmentBodySerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    parent: Any = VisibleRelatedField(
        queryset=Department.objects.all(), required=False, allow_null=True
    )
    external_id = serializers.CharField(max_length=64, required=False, allow_blank=True)


class StaffBodySerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    department: Any = VisibleRelatedField(
        queryset=Department.objects.all(), required=False, allow_null=True
    )
    external_id = serializers.CharField(max_length=64, required=False, allow_blank=True)


class CreateUserSerializer(StrictSerializer):
    username = serializers.RegexField(r"^[\w.@+-]+\Z", max_length=150)
    password = serializers.CharField(
        max_length=128,
        required=False,
        write_only=True,
        trim_whitespace=False,
        help_text=_("不填则不能登录，只能使用 API 密钥。"),
    )
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    role = serializers.ChoiceField(Role.choices)
    data_scope = serializers.ChoiceField(DataScope.choices, required=False)
    staff: Any = VisibleRelatedField(queryset=Staff.objects.all(), required=False, allow_null=True)


class EditUserSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    staff: Any = VisibleRelatedField(queryset=Staff.objects.all(), required=False, allow_null=True)


class ChangeRoleSerializer(StrictSerializer):
    role = serializers.ChoiceField(Role.choices)
    data_scope = serializers.ChoiceField(DataScope.choices, required=False)


class SetPasswordSerializer(StrictSerializer):
    password = serializers.CharField(max_length=128, write_only=True, trim_whitespace=False)


class CreateApiKeySerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    user: Any = VisibleRelatedField(
        queryset=User.objects.all(), required=False, help_text=_("不填则属于自己。")
    )
    scopes = serializers.ListField(
        child=serializers.ChoiceField(Capability.choices), min_length=1, max_length=50
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
