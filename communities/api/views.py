from __future__ import annotations

from typing import ClassVar

from django.db import models
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from communities.api import filters, serializers
from communities.models import (
    ClassificationAxis,
    ClassificationValue,
    Community,
    EntryPolicy,
    GroupChat,
    Tier,
    TierScheme,
)
from communities.selectors import with_sizes
from communities.services import chats, classifying, founding, gatekeeping, lifecycle, tiering
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_COMMUNITIES, Capability.MANAGE_COMMUNITIES
READ_AND_WRITE: dict[str, Required] = {
    "list": VIEW,
    "retrieve": VIEW,
    "create": MANAGE,
    "partial_update": MANAGE,
}


class CommunityViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Community]):
    """社群：什么人，做什么事。下级社群用 ?parent= 查。"""

    queryset = Community.objects.none()
    serializer_class = serializers.CommunitySerializer
    filterset_class = filters.CommunityFilter
    ordering = ("-id",)
    ordering_fields = ("id", "name", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        **READ_AND_WRITE,
        "move": MANAGE,
        "set_entry_policy": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[Community]:
        in_force = models.Prefetch(
            "entry_policies",
            EntryPolicy.objects.active().prefetch_related("evidence_axes"),
            to_attr="policies_in_force",
        )
        return (
            with_sizes(Community.objects.visible_to(acting_user(self.request)))
            .select_related("parent", "minimum_tier", "owner", "adviser", "backup_owner")
            .prefetch_related("classification_values__axis", in_force)
            .fetch_mode(models.FETCH_RAISE)
        )

    @extend_schema(
        request=serializers.CommunityBodySerializer,
        responses={201: serializers.CommunitySerializer},
    )
    def create(self, request: Request) -> Response:
        """新建草稿。不填负责人时由操作者自己负责。"""
        return self.run_create(founding.create_community, body=serializers.CommunityBodySerializer)

    @extend_schema(request=serializers.CommunityBodySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """修改描述。状态用 move 改，门槛用 entry-policy 改。"""
        return self.run_verb(
            founding.edit_community, body=serializers.CommunityBodySerializer, partial=True
        )

    @command(body=serializers.MoveSerializer)
    def move(self, request: Request, pk: str) -> Response:
        """改变状态。离开草稿需要写明“什么人”“做什么事”、有负责人和生效的准入规则。"""
        return self.run_verb(lifecycle.move_community, body=serializers.MoveSerializer)

    @command(
        body=serializers.SetEntryPolicySerializer,
        answer=serializers.EntryPolicySerializer,
        code=status.HTTP_201_CREATED,
        url_path="entry-policy",
    )
    def set_entry_policy(self, request: Request, pk: str) -> Response:
        """设定准入规则的新版本并立即生效；已决定的申请保留原版本。"""
        community = self.get_object()
        values = self.body(serializers.SetEntryPolicySerializer)
        policy = gatekeeping.set_entry_policy(community.pk, actor=acting_user(request), **values)
        data = serializers.EntryPolicySerializer(policy).data
        return Response(data, status=status.HTTP_201_CREATED)


class EntryPolicyViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[EntryPolicy]
):
    """准入规则的各个版本。只读：修改就是在社群上设定新版本。"""

    queryset = EntryPolicy.objects.none()
    serializer_class = serializers.EntryPolicySerializer
    filterset_class = filters.EntryPolicyFilter
    ordering = ("-id",)
    ordering_fields = ("id", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW, "retrieve": VIEW}

    def get_queryset(self) -> models.QuerySet[EntryPolicy]:
        rows = EntryPolicy.objects.visible_to(acting_user(self.request))
        return (
            rows.select_related("community")
            .prefetch_related("evidence_axes")
            .fetch_mode(models.FETCH_RAISE)
        )


class GroupChatViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[GroupChat]):
    """客户群：社群的载体。没有归属的群用 ?unassigned=true 查。"""

    queryset = GroupChat.objects.none()
    serializer_class = serializers.GroupChatSerializer
    filterset_class = filters.GroupChatFilter
    ordering = ("-id",)
    ordering_fields = ("id", "name", "member_count", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {**READ_AND_WRITE, "assign": MANAGE}

    def get_queryset(self) -> models.QuerySet[GroupChat]:
        rows = GroupChat.objects.visible_to(acting_user(self.request))
        return rows.select_related("community", "owner").fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=serializers.GroupChatBodySerializer,
        responses={201: serializers.GroupChatSerializer},
    )
    def create(self, request: Request) -> Response:
        """登记平台上已有的群。"""
        return self.run_create(chats.register_group_chat, body=serializers.GroupChatBodySerializer)

    @extend_schema(request=serializers.EditGroupChatSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.run_verb(
            chats.edit_group_chat, body=serializers.EditGroupChatSerializer, partial=True
        )

    @command(body=serializers.AssignChatSerializer)
    def assign(self, request: Request, pk: str) -> Response:
        """让空群承载一个社群；null 表示不再承载。"""
        return self.run_verb(chats.assign_chat, body=serializers.AssignChatSerializer)


class AxisViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[ClassificationAxis]
):
    """分类维度，例如地区、品种。"""

    queryset = ClassificationAxis.objects.none()
    serializer_class = serializers.AxisSerializer
    filterset_class = filters.AxisFilter
    ordering = ("id",)
    ordering_fields = ("id", "name", "code")
    required_capabilities: ClassVar[dict[str, Required]] = READ_AND_WRITE

    def get_queryset(self) -> models.QuerySet[ClassificationAxis]:
        rows = ClassificationAxis.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=serializers.AxisBodySerializer, responses={201: serializers.AxisSerializer}
    )
    def create(self, request: Request) -> Response:
        return self.run_create(classifying.create_axis, body=serializers.AxisBodySerializer)

    @extend_schema(request=serializers.AxisBodySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.run_verb(
            classifying.edit_axis, body=serializers.AxisBodySerializer, partial=True
        )


class ValueViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[ClassificationValue]
):
    """分类值，例如华东、上海；可以有上下级。"""

    queryset = ClassificationValue.objects.none()
    serializer_class = serializers.ValueSerializer
    filterset_class = filters.ValueFilter
    ordering = ("id",)
    ordering_fields = ("id", "name", "code")
    required_capabilities: ClassVar[dict[str, Required]] = READ_AND_WRITE

    def get_queryset(self) -> models.QuerySet[ClassificationValue]:
        rows = ClassificationValue.objects.visible_to(acting_user(self.request))
        return rows.select_related("axis").fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=serializers.ValueBodySerializer, responses={201: serializers.ValueSerializer}
    )
    def create(self, request: Request) -> Response:
        return self.run_create(classifying.create_value, body=serializers.ValueBodySerializer)

    @extend_schema(request=serializers.EditValueSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """改名或换上级；维度不能改。"""
        return self.run_verb(
            classifying.edit_value, body=serializers.EditValueSerializer, partial=True
        )


class TierSchemeViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[TierScheme]):
    """分层方案。"""

    queryset = TierScheme.objects.none()
    serializer_class = serializers.TierSchemeSerializer
    filterset_class = filters.TierSchemeFilter
    ordering = ("id",)
    ordering_fields = ("id", "name")
    required_capabilities: ClassVar[dict[str, Required]] = READ_AND_WRITE

    def get_queryset(self) -> models.QuerySet[TierScheme]:
        rows = TierScheme.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=serializers.TierSchemeBodySerializer,
        responses={201: serializers.TierSchemeSerializer},
    )
    def create(self, request: Request) -> Response:
        """新建方案，再用 tiers 加上各级。"""
        return self.run_create(
            tiering.create_tier_scheme, body=serializers.TierSchemeBodySerializer
        )

    @extend_schema(request=serializers.EditTierSchemeSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """改名。代码不能改。"""
        return self.run_verb(tiering.rename_tier_scheme, body=serializers.EditTierSchemeSerializer)


class TierViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Tier]):
    """层级：方案里的一级和它的门槛。只有最低一级可以没有门槛。"""

    queryset = Tier.objects.none()
    serializer_class = serializers.TierSerializer
    filterset_class = filters.TierFilter
    ordering = ("scheme", "rank")
    ordering_fields = ("id", "rank", "name")
    required_capabilities: ClassVar[dict[str, Required]] = {**READ_AND_WRITE, "destroy": MANAGE}

    def get_queryset(self) -> models.QuerySet[Tier]:
        rows = Tier.objects.visible_to(acting_user(self.request))
        return rows.select_related("scheme").fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=serializers.TierBodySerializer, responses={201: serializers.TierSerializer}
    )
    def create(self, request: Request) -> Response:
        """加一级。不能比下一级要求得少，也不能以本方案的层级为条件。"""
        return self.run_create(tiering.create_tier, body=serializers.TierBodySerializer)

    @extend_schema(request=serializers.EditTierSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """修改一级。成员的层级在下次核算时随之变化。"""
        return self.run_verb(tiering.edit_tier, body=serializers.EditTierSerializer, partial=True)

    def destroy(self, request: Request, pk: str) -> Response:
        """删除从未有人定到、也没有社群要求的一级。"""
        tiering.delete_tier(self.get_object().pk, actor=acting_user(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
