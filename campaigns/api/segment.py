from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from campaigns.api.criterion import AudienceCriterionField
from campaigns.models import Segment, SegmentChat, SegmentMember
from campaigns.rules.status import BroadcastTarget
from campaigns.selectors.audience import registry_of
from campaigns.services.segmenting import create_segment, draw_segment, edit_segment
from communities.models import GroupChat
from members.models import Member
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.shared.criteria import Criterion
from scrm.shared.criterion_words import describe_stored

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS
EVERYBODY: Any = Criterion()


class SegmentSerializer(StrictModelSerializer[Segment]):
    criterion = AudienceCriterionField(read_only=True)
    criterion_text = serializers.SerializerMethodField(help_text=_("用一句话写出的条件，给人看。"))
    member_count = serializers.IntegerField(
        read_only=True, allow_null=True, help_text=_("名单上有多少成员，或多少个群。")
    )

    class Meta:
        model = Segment
        fields = (
            "id",
            "code",
            "name",
            "target",
            "criterion",
            "criterion_text",
            "member_count",
            "drawn_at",
            "draw_asked_at",
            "created_by",
            "created_at",
        )

    def get_criterion_text(self, segment: Segment) -> str:
        return describe_stored(segment.criterion, registry=registry_of(segment.target))


class EditSegmentSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    criterion: Any = AudienceCriterionField(required=False)


class SegmentBodySerializer(EditSegmentSerializer):
    code = serializers.SlugField(max_length=40)
    target = serializers.ChoiceField(
        choices=BroadcastTarget.choices,
        default=BroadcastTarget.MEMBERS,
        help_text=_("挑成员还是挑客户群，之后不能改。"),
    )
    criterion: Any = AudienceCriterionField(default=EVERYBODY)


class SegmentMemberSerializer(StrictModelSerializer[Member]):
    class Meta:
        model = Member
        fields = ("id", "external_id", "nickname")


class SegmentChatSerializer(StrictModelSerializer[GroupChat]):
    class Meta:
        model = GroupChat
        fields = ("id", "external_id", "name", "community", "owner", "member_count", "state")


class SegmentFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    code = filters.CharFilter()
    target = filters.ChoiceFilter(choices=BroadcastTarget.choices)
    name = filters.CharFilter(lookup_expr="icontains")
    is_drawn = filters.BooleanFilter(field_name="drawn_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Segment
        fields: list[str] = []


class SegmentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Segment]):
    """人群包：有名字的条件。别的条件用 in_segment 指它，总按此刻的条件计算，不看名单。"""

    queryset = Segment.objects.none()
    serializer_class = SegmentSerializer
    filterset_class = SegmentFilter
    ordering = ("-id",)
    ordering_fields = ("id", "name", "created_at", "drawn_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": COMPOSE,
        "partial_update": COMPOSE,
        "draw": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[Segment]:
        rows = Segment.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=SegmentBodySerializer, responses={201: SegmentSerializer})
    def create(self, request: Request) -> Response:
        """新建人群包。代码以后不能改。人数可先用 /criteria/estimate/ 估算。"""
        return self.run_create(create_segment, body=SegmentBodySerializer)

    @extend_schema(request=EditSegmentSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """改名或改条件；改了条件，原来的名单作废。绕回自己的条件会被拒绝。"""
        return self.run_verb(edit_segment, body=EditSegmentSerializer, partial=True)

    @command()
    def draw(self, request: Request, pk: str) -> Response:
        """更新名单。成员很多时在后台进行：draw_asked_at 变回 null 就是好了。"""
        return self.run_verb(draw_segment)


@extend_schema_view(
    list=extend_schema(
        parameters=[OpenApiParameter("pk", OpenApiTypes.INT64, OpenApiParameter.PATH)]
    )
)
class SegmentMemberViewSet(mixins.ListModelMixin, GenericViewSet[Member]):
    """人群包最近一次的名单（drawn_at 时的样子），只含当前用户可见的成员。"""

    queryset = Member.objects.none()
    serializer_class = SegmentMemberSerializer
    ordering = ("id",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": Capability.VIEW_MEMBERS}

    def get_queryset(self) -> models.QuerySet[Member]:
        user = acting_user(self.request)
        segment = get_object_or_404(Segment.objects.visible_to(user), pk=self.kwargs["pk"])
        members = Member.objects.visible_to(user)
        if segment.drawn_at is None:
            return members.none()
        drawn = SegmentMember.objects.filter(segment=segment).values("member_id")
        return members.filter(pk__in=drawn).fetch_mode(models.FETCH_RAISE)


@extend_schema_view(
    list=extend_schema(
        parameters=[OpenApiParameter("pk", OpenApiTypes.INT64, OpenApiParameter.PATH)]
    )
)
class SegmentChatViewSet(mixins.ListModelMixin, GenericViewSet[GroupChat]):
    """挑客户群的人群包最近一次的名单，只含当前用户可见的群。"""

    queryset = GroupChat.objects.none()
    serializer_class = SegmentChatSerializer
    ordering = ("id",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": Capability.VIEW_COMMUNITIES}

    def get_queryset(self) -> models.QuerySet[GroupChat]:
        user = acting_user(self.request)
        segment = get_object_or_404(Segment.objects.visible_to(user), pk=self.kwargs["pk"])
        chats = GroupChat.objects.visible_to(user)
        if segment.drawn_at is None:
            return chats.none()
        drawn = SegmentChat.objects.filter(segment=segment).values("chat_id")
        return chats.filter(pk__in=drawn).fetch_mode(models.FETCH_RAISE)
