from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from scrm.accounts.api import filters, serializers
from scrm.accounts.api.permissions import SIGNED_IN, Required, acting_user
from scrm.accounts.models import ApiKey, AuditEvent, Department, Staff, User
from scrm.accounts.rules.roles import Capability
from scrm.accounts.services import api_keys, departments, enterprises, staff, users
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_ACCOUNTS, Capability.MANAGE_ACCOUNTS


class MeView(APIView):
    """当前登录者，以及这个请求可以做什么。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"get": SIGNED_IN}

    @extend_schema(responses=serializers.MeSerializer)
    def get(self, request: Request) -> Response:
        return Response(serializers.MeSerializer(acting_user(request)).data)


class EnterpriseView(APIView):
    """自己的企业。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"get": SIGNED_IN, "patch": MANAGE}

    @extend_schema(responses=serializers.EnterpriseSerializer)
    def get(self, request: Request) -> Response:
        return Response(serializers.EnterpriseSerializer(acting_user(request).enterprise).data)

    @extend_schema(
        request=serializers.EditEnterpriseSerializer, responses=serializers.EnterpriseSerializer
    )
    def patch(self, request: Request) -> Response:
        actor = acting_user(request)
        body = serializers.EditEnterpriseSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        changes = body.validated_data
        enterprise = enterprises.edit_enterprise(actor.enterprise_id, actor=actor, **changes)
        return Response(serializers.EnterpriseSerializer(enterprise).data)


class DepartmentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Department]):
    """部门。"""

    queryset = Department.objects.none()
    serializer_class = serializers.DepartmentSerializer
    filterset_class = filters.DepartmentFilter
    ordering = ("id",)
    ordering_fields = ("id", "name")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "destroy": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[Department]:
        rows = Department.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=serializers.DepartmentBodySerializer,
        responses={201: serializers.DepartmentSerializer},
    )
    def create(self, request: Request) -> Response:
        return self.run_create(
            departments.create_department, body=serializers.DepartmentBodySerializer
        )

    @extend_schema(request=serializers.DepartmentBodySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.run_verb(
            departments.edit_department, body=serializers.DepartmentBodySerializer, partial=True
        )

    def destroy(self, request: Request, pk: str) -> Response:
        """只有空部门可以删除。"""
        departments.delete_department(self.get_object().pk, actor=acting_user(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class StaffViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Staff]):
    """员工：可以负责社群的同事，不一定有登录账号。"""

    queryset = Staff.objects.none()
    serializer_class = serializers.StaffSerializer
    filterset_class = filters.StaffFilter
    ordering = ("id",)
    ordering_fields = ("id", "name")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "deactivate": MANAGE,
        "reactivate": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[Staff]:
        rows = Staff.objects.visible_to(acting_user(self.request)).select_related("department")
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=serializers.StaffBodySerializer, responses={201: serializers.StaffSerializer}
    )
    def create(self, request: Request) -> Response:
        return self.run_create(staff.create_staff, body=serializers.StaffBodySerializer)

    @extend_schema(request=serializers.StaffBodySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.run_verb(staff.edit_staff, body=serializers.StaffBodySerializer, partial=True)

    @command()
    def deactivate(self, request: Request, pk: str) -> Response:
        """离职：登录账号和密钥同时失效。"""
        return self.run_verb(staff.deactivate_staff)

    @command()
    def reactivate(self, request: Request, pk: str) -> Response:
        """恢复在职；登录账号需另行启用。"""
        return self.run_verb(staff.reactivate_staff)


class UserViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[User]):
    """登录账号。"""

    queryset = User.objects.none()
    serializer_class = serializers.UserSerializer
    filterset_class = filters.UserFilter
    ordering = ("id",)
    ordering_fields = ("id", "username", "last_login")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "change_role": MANAGE,
        "set_password": MANAGE,
        "disable": MANAGE,
        "enable": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[User]:
        rows: models.QuerySet[User] = User.objects.visible_to(acting_user(self.request))
        return rows.select_related("staff").fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=serializers.CreateUserSerializer, responses={201: serializers.UserSerializer}
    )
    def create(self, request: Request) -> Response:
        return self.run_create(users.create_user_account, body=serializers.CreateUserSerializer)

    @extend_schema(request=serializers.EditUserSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.run_verb(users.edit_user, body=serializers.EditUserSerializer, partial=True)

    @command(body=serializers.ChangeRoleSerializer, url_path="change-role")
    def change_role(self, request: Request, pk: str) -> Response:
        """改角色或数据范围，从下一个请求起生效。"""
        return self.run_verb(users.change_role, body=serializers.ChangeRoleSerializer)

    @command(body=serializers.SetPasswordSerializer, url_path="set-password")
    def set_password(self, request: Request, pk: str) -> Response:
        """设置新密码，原有登录全部失效。"""
        return self.run_verb(users.set_password, body=serializers.SetPasswordSerializer)

    @command()
    def disable(self, request: Request, pk: str) -> Response:
        """停用登录账号并吊销它的密钥。"""
        return self.run_verb(users.disable_user)

    @command()
    def enable(self, request: Request, pk: str) -> Response:
        """重新启用登录账号。"""
        return self.run_verb(users.enable_user)


class ApiKeyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[ApiKey]):
    """给程序用的密钥。"""

    queryset = ApiKey.objects.none()
    serializer_class = serializers.ApiKeySerializer
    filterset_class = filters.ApiKeyFilter
    ordering = ("-id",)
    ordering_fields = ("id", "name", "created_at", "expires_at", "last_used_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "revoke": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[ApiKey]:
        rows = ApiKey.objects.visible_to(acting_user(self.request)).select_related("user")
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=serializers.CreateApiKeySerializer, responses={201: serializers.NewApiKeySerializer}
    )
    def create(self, request: Request) -> Response:
        """新建密钥；回答里的 key 只出现这一次。"""
        values: dict[str, Any] = self.body(serializers.CreateApiKeySerializer)
        key, plain = api_keys.create_api_key(actor=acting_user(request), **values)
        data = {**self.get_serializer(key).data, "key": plain}
        return Response(data, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    @command()
    def revoke(self, request: Request, pk: str) -> Response:
        """吊销后立即不能使用，不能恢复。"""
        return self.run_verb(api_keys.revoke_api_key)


class AuditEventViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[AuditEvent]):
    """操作记录：谁在什么时候把什么改成了什么。只读。"""

    queryset = AuditEvent.objects.none()
    serializer_class = serializers.AuditEventSerializer
    filterset_class = filters.AuditEventFilter
    ordering = ("-id",)
    ordering_fields = ("id", "happened_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": Capability.VIEW_AUDIT,
        "retrieve": Capability.VIEW_AUDIT,
    }

    def get_queryset(self) -> models.QuerySet[AuditEvent]:
        rows = AuditEvent.objects.visible_to(acting_user(self.request)).select_related("actor")
        return rows.fetch_mode(models.FETCH_RAISE)


__all__ = [
    "ApiKeyViewSet",
    "AuditEventViewSet",
    "DepartmentViewSet",
    "EnterpriseView",
    "MeView",
    "StaffViewSet",
    "UserViewSet",
]
