from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from communities.models import Community, GroupChat
from members.models import Member, Membership, Stay
from members.rules.status import JoinScene, JoinSource, LeaveReason, ObservedBy
from members.services.leaving import leave_community
from members.services.observing import observe_join
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_MEMBERS, Capability.MANAGE_MEMBERS


class MembershipSerializer(StrictModelSerializer[Membership]):
    community_name = serializers.CharField(source="community.name", read_only=True)
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)

    class Meta:
        model = Membership
        fields = (
            "id",
            "member",
            "member_nickname",
            "community",
            "community_name",
            "source",
            "is_ungated",
            "qualified_at",
            "joined_at",
            "left_at",
            "leave_reason",
        )


class StaySerializer(StrictModelSerializer[Stay]):
    chat_name = serializers.CharField(source="chat.name", read_only=True)
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)

    class Meta:
        model = Stay
        fields = (
            "id",
            "membership",
            "member",
            "member_nickname",
            "chat",
            "chat_name",
            "observed_by",
            "joined_at",
            "join_confidence",
            "join_scene",
            "join_state",
            "join_way",
            "inviter",
            "seen_at",
            "left_at",
            "leave_reason",
            "leave_confidence",
        )


class LeaveSerializer(StrictSerializer):
    reason = serializers.ChoiceField(LeaveReason.choices)


class ObserveJoinSerializer(StrictSerializer):
    member: Any = VisibleRelatedField(queryset=Member.objects.all())
    chat: Any = VisibleRelatedField(queryset=GroupChat.objects.all())
    observed_by = serializers.ChoiceField(
        [ObservedBy.EVENT, ObservedBy.SYNC, ObservedBy.IMPORT], default=ObservedBy.EVENT
    )
    joined_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text=_("平台上的入群时间；不写表示现在。")
    )


class MembershipFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    member = VisibleModelChoiceFilter(model=Member)
    active = filters.BooleanFilter(field_name="left_at", lookup_expr="isnull")
    is_ungated = filters.BooleanFilter()
    source = filters.MultipleChoiceFilter(choices=JoinSource.choices)
    joined_after = filters.IsoDateTimeFilter(field_name="joined_at", lookup_expr="gte")
    joined_before = filters.IsoDateTimeFilter(field_name="joined_at", lookup_expr="lt")

    class Meta:
        model = Membership
        fields: list[str] = []


class StayFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    chat = VisibleModelChoiceFilter(model=GroupChat)
    member = VisibleModelChoiceFilter(model=Member)
    membership = VisibleModelChoiceFilter(model=Membership)
    join_scene = filters.MultipleChoiceFilter(
        choices=[choice for choice in JoinScene.choices if choice[0]]
    )
    open = filters.BooleanFilter(field_name="left_at", lookup_expr="isnull")

    class Meta:
        model = Stay
        fields: list[str] = []


class MembershipViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Membership]):
    """社群成员：一个成员在一个社群里的一段时间。入群走申请，离开用 leave。"""

    queryset = Membership.objects.none()
    serializer_class = MembershipSerializer
    filterset_class = MembershipFilter
    ordering = ("-id",)
    ordering_fields = ("id", "joined_at", "left_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "leave": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[Membership]:
        rows = Membership.objects.visible_to(acting_user(self.request))
        return rows.select_related("community", "member").fetch_mode(models.FETCH_RAISE)

    @command(body=LeaveSerializer)
    def leave(self, request: Request, pk: str) -> Response:
        """离开社群，同时结束在各客户群里的时段并空出位置。"""
        return self.run_verb(leave_community, body=LeaveSerializer)


class StayViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Stay]):
    """在群时段：只增不删。

    时间可信度为 inferred 的是推断：那次进群或退群的回调没有收到，时间是最晚可能的时刻，
    seen_at 是最近一次读到此人在群里。observed_by 为 product 且还在的，是已留好、还没进群的位置。
    """

    queryset = Stay.objects.none()
    serializer_class = StaySerializer
    filterset_class = StayFilter
    ordering = ("-id",)
    ordering_fields = ("id", "joined_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "observe": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[Stay]:
        rows = Stay.objects.visible_to(acting_user(self.request))
        return rows.select_related("chat", "member").fetch_mode(models.FETCH_RAISE)

    @command(
        body=ObserveJoinSerializer,
        answer=MembershipSerializer,
        code=status.HTTP_201_CREATED,
        detail=False,
    )
    def observe(self, request: Request) -> Response:
        """记下在平台上看到的入群，如实建立成员和时段；重复上报没有影响。

        没有获准就进了有门槛的社群会标记 is_ungated，并给社群负责人建待办。
        """
        values = self.body(ObserveJoinSerializer)
        membership = observe_join(values.pop("member"), actor=acting_user(request), **values)
        data = MembershipSerializer(membership, context=self.get_serializer_context()).data
        return Response(data, status=status.HTTP_201_CREATED)
