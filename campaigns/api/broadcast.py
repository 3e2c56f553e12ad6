from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import Broadcast, Run
from campaigns.rules.status import (
    BroadcastStatus,
    BroadcastTarget,
    MisfirePolicy,
)
from campaigns.selectors.estimates import estimate_audience
from campaigns.selectors.choices import VERBS, available_actions
from campaigns.services import approving, composing, controlling, scheduling
from communities.api.fields import CriterionField
from communities.models import Community
from communities.rules.kinds import ContentCategory
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.shared.clock import database_now
from scrm.wecom.models import ChannelAccount

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS
APPROVE = Capability.APPROVE_CAMPAIGNS


class BroadcastSerializer(StrictModelSerializer[Broadcast]):
    latest_run = serializers.IntegerField(
        read_only=True, allow_null=True, help_text=_("最近一次执行，进度见 /api/v1/runs/{id}/。")
    )
    available_actions = serializers.SerializerMethodField(help_text=_("当前用户现在可以做的事。"))

    class Meta:
        model = Broadcast
        fields = (
            "id",
            "name",
            "category",
            "body",
            "target",
            "communities",
            "criterion",
            "channel_account",
            "scheduled_at",
            "misfire_policy",
            "misfire_grace_minutes",
            "status",
            "status_reason",
            "author",
            "last_editor",
            "approved_by",
            "approved_at",
            "created_at",
            "latest_run",
            "available_actions",
        )

    @extend_schema_field(
        serializers.ListField(child=serializers.ChoiceField(choices=["edit", *VERBS]))
    )
    def get_available_actions(self, broadcast: Broadcast) -> list[str]:
        return available_actions(broadcast, self.context["request"].user)


class EditBroadcastSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    body = serializers.CharField(
        max_length=4000,
        help_text=_("可用变量：{{昵称}}、{{社群}}（发给成员时）；{{群名}}、{{社群}}（发到群时）。"),
    )
    communities: Any = VisibleRelatedField(
        queryset=Community.objects.all(), many=True, allow_empty=False
    )
    channel_account: Any = VisibleRelatedField(queryset=ChannelAccount.objects.all())
    category = serializers.ChoiceField(choices=ContentCategory.choices, required=False)
    target = serializers.ChoiceField(choices=BroadcastTarget.choices, required=False)
    criterion = CriterionField(required=False)
    misfire_policy = serializers.ChoiceField(choices=MisfirePolicy.choices, required=False)
    misfire_grace_minutes = serializers.IntegerField(min_value=1, max_value=10_080, required=False)


class ReturnToDraftSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class ScheduleSerializer(StrictSerializer):
    scheduled_at = serializers.DateTimeField(
        required=False, help_text=_("带时区的将来时间；不填表示立即发送。")
    )


class CommunityShareSerializer(serializers.Serializer[Any]):
    community_id = serializers.IntegerField()
    name = serializers.CharField()
    recipient_count = serializers.IntegerField()


class ExcludedSerializer(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(
        choices=[
            ("not_matching", _("不符合条件")),
            ("in_several_communities", _("在多个社群里，只发一次")),
        ]
    )
    count = serializers.IntegerField()


class SampleSerializer(serializers.Serializer[Any]):
    recipient = serializers.CharField()
    body = serializers.CharField()


class EstimateSerializer(serializers.Serializer[Any]):
    """现在发会发给多少人、各社群多少、哪些不发、几条真实的样例。"""

    recipient_count = serializers.IntegerField()
    communities = CommunityShareSerializer(many=True)
    excluded = ExcludedSerializer(many=True)
    samples = SampleSerializer(many=True)


class BroadcastFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=BroadcastStatus.choices)
    category = filters.MultipleChoiceFilter(choices=ContentCategory.choices)
    target = filters.ChoiceFilter(choices=BroadcastTarget.choices)
    community = VisibleModelChoiceFilter(model=Community, field_name="communities")
    scheduled_after = filters.IsoDateTimeFilter(field_name="scheduled_at", lookup_expr="gte")
    scheduled_before = filters.IsoDateTimeFilter(field_name="scheduled_at", lookup_expr="lt")

    class Meta:
        model = Broadcast
        fields: list[str] = []


class BroadcastViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Broadcast]):
    """群发：写草稿、送审、由另一位同事批准、排期，然后逐个收件人发送。"""

    queryset = Broadcast.objects.none()
    serializer_class = BroadcastSerializer
    filterset_class = BroadcastFilter
    ordering = ("-id",)
    ordering_fields = ("id", "scheduled_at", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "estimate": VIEW,
        "create": COMPOSE,
        "partial_update": COMPOSE,
        "submit": COMPOSE,
        "return_to_draft": COMPOSE,
        "approve": APPROVE,
        "schedule": COMPOSE,
        "unschedule": COMPOSE,
        "pause": COMPOSE,
        "resume": COMPOSE,
        "cancel": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[Broadcast]:
        latest = Run.objects.filter(broadcast=models.OuterRef("pk")).order_by("-pk")
        return (
            Broadcast.objects.visible_to(acting_user(self.request))
            .annotate(latest_run=models.Subquery(latest.values("pk")[:1]))
            .select_related("enterprise", "channel_account")
            .prefetch_related("communities")
            .fetch_mode(models.FETCH_RAISE)
        )

    @extend_schema(request=EditBroadcastSerializer, responses={201: BroadcastSerializer})
    def create(self, request: Request) -> Response:
        """写一份草稿。"""
        return self.run_create(composing.create_broadcast, body=EditBroadcastSerializer)

    @extend_schema(request=EditBroadcastSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """只有草稿可以修改。"""
        return self.run_verb(composing.edit_broadcast, body=EditBroadcastSerializer, partial=True)

    @extend_schema(responses=EstimateSerializer)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def estimate(self, request: Request, pk: str) -> Response:
        """现在发会发给谁；不写任何数据。"""
        broadcast = self.get_object()
        communities = list(broadcast.communities.all())
        estimate = estimate_audience(broadcast, as_of=database_now(), communities=communities)
        return Response(EstimateSerializer(estimate).data)

    @command()
    def submit(self, request: Request, pk: str) -> Response:
        """送审。"""
        return self.run_verb(approving.submit_broadcast)

    @command(body=ReturnToDraftSerializer, url_path="return-to-draft")
    def return_to_draft(self, request: Request, pk: str) -> Response:
        """退回草稿以便修改；之前的批准作废。"""
        return self.run_verb(approving.return_broadcast_to_draft, body=ReturnToDraftSerializer)

    @command()
    def approve(self, request: Request, pk: str) -> Response:
        """由作者和最后修改人之外的人批准。"""
        return self.run_verb(approving.approve_broadcast)

    @command(body=ScheduleSerializer)
    def schedule(self, request: Request, pk: str) -> Response:
        """排期；过去的时间和没有收件人的群发会被拒绝。"""
        return self.run_verb(scheduling.schedule_broadcast, body=ScheduleSerializer)

    @command()
    def unschedule(self, request: Request, pk: str) -> Response:
        """撤回排期，批准仍然有效。"""
        return self.run_verb(scheduling.unschedule_broadcast)

    @command()
    def pause(self, request: Request, pk: str) -> Response:
        """暂停：正在发的批次发完，不再开始新的。"""
        return self.run_verb(controlling.pause_broadcast)

    @command()
    def resume(self, request: Request, pk: str) -> Response:
        """从停下的地方继续，已有结果的不会重发。"""
        return self.run_verb(controlling.resume_broadcast)

    @command()
    def cancel(self, request: Request, pk: str) -> Response:
        """取消，不能恢复；正在发的批次会在 status_reason 里说明。"""
        return self.run_verb(controlling.cancel_broadcast)
