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

from campaigns.api.broadcast_bodies import (
    ApprovalSerializer,
    ApproveSerializer,
    AttachmentSerializer,
    BroadcastReasonSerializer,
    CheckSerializer,
    EditBroadcastSerializer,
    EstimateSerializer,
    ReturnToDraftSerializer,
    ScheduleSerializer,
)
from campaigns.models import Approval, Broadcast, ContentVersion, Run, Segment
from campaigns.rules.schedules import ScheduleKind
from campaigns.rules.status import BroadcastStatus, BroadcastTarget
from campaigns.selectors.approvals import with_given_approvals
from campaigns.selectors.checks import checks_of
from campaigns.selectors.choices import ACTIONS, available_actions
from campaigns.selectors.contents import digest_of
from campaigns.selectors.estimates import estimate_audience
from campaigns.services import approving, composing, controlling, halting, scheduling
from communities.models import Community, GroupChat
from communities.rules.kinds import ContentCategory
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.shared.clock import database_now

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS
APPROVE = Capability.APPROVE_CAMPAIGNS


class BroadcastSerializer(StrictModelSerializer[Broadcast]):
    # As it stands in lists.
    latest_run = serializers.IntegerField(
        read_only=True, allow_null=True, help_text=_("最近一次执行，进度见 /api/v1/runs/{id}/。")
    )
    schedule = serializers.IntegerField(
        source="schedule.pk",
        read_only=True,
        default=None,
        allow_null=True,
        help_text=_("重复或由事实触发的排期，见 /api/v1/broadcast-schedules/{id}/。"),
    )
    schedule_kind = serializers.ChoiceField(
        source="schedule.kind",
        choices=ScheduleKind.choices,
        read_only=True,
        default=None,
        allow_null=True,
    )
    chat_count = serializers.IntegerField(
        read_only=True, help_text=_("指定了几个群；0 表示这些社群的所有群。")
    )
    available_actions = serializers.SerializerMethodField(help_text=_("当前用户现在可以做的事。"))

    class Meta:
        model = Broadcast
        fields: tuple[str, ...] = (
            "id",
            "name",
            "category",
            "body",
            "attachments",
            "content_version",
            "target",
            "communities",
            "chat_count",
            "criterion",
            "segments",
            "excluded_segments",
            "freeze_at",
            "channel_account",
            "scheduled_at",
            "schedule",
            "schedule_kind",
            "misfire_policy",
            "misfire_grace_minutes",
            "cost_amount",
            "remind_after_hours",
            "error_budget_percent",
            "override_reason",
            "status",
            "status_reason",
            "author",
            "last_editor",
            "required_approvals",
            "approved_by",
            "approved_at",
            "created_at",
            "latest_run",
            "available_actions",
        )

    attachments = AttachmentSerializer(many=True, read_only=True)

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=ACTIONS)))
    def get_available_actions(self, broadcast: Broadcast) -> list[str]:
        given = broadcast.given_approvals  # type: ignore[attr-defined]  # with_given_approvals()
        return available_actions(broadcast, self.context["request"].user, approved_by=given)


class BroadcastDetailSerializer(BroadcastSerializer):
    current_digest = serializers.SerializerMethodField(
        help_text=_("现在的内容；批准时带上它，内容变了就会被拒绝。")
    )

    class Meta(BroadcastSerializer.Meta):
        fields = (*BroadcastSerializer.Meta.fields, "chats", "content_digest", "current_digest")

    def get_current_digest(self, broadcast: Broadcast) -> str:
        return digest_of(broadcast)


class BroadcastFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=BroadcastStatus.choices)
    category = filters.MultipleChoiceFilter(choices=ContentCategory.choices)
    target = filters.ChoiceFilter(choices=BroadcastTarget.choices)
    community = VisibleModelChoiceFilter(model=Community, field_name="communities")
    content_version = VisibleModelChoiceFilter(model=ContentVersion)
    segment = VisibleModelChoiceFilter(model=Segment, field_name="segments")
    recurs = filters.BooleanFilter(field_name="schedule", lookup_expr="isnull", exclude=True)
    scheduled_after = filters.IsoDateTimeFilter(field_name="scheduled_at", lookup_expr="gte")
    scheduled_before = filters.IsoDateTimeFilter(field_name="scheduled_at", lookup_expr="lt")

    class Meta:
        model = Broadcast
        fields: list[str] = []


class BroadcastViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Broadcast]):
    """群发：写草稿、送审、由另一位同事批准、排期，然后逐个收件人发送。"""

    queryset = Broadcast.objects.none()
    serializer_class = BroadcastDetailSerializer
    filterset_class = BroadcastFilter
    ordering = ("-id",)
    ordering_fields = ("id", "scheduled_at", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "estimate": VIEW,
        "checks": VIEW,
        "approvals": VIEW,
        "create": COMPOSE,
        "partial_update": COMPOSE,
        "submit": COMPOSE,
        "return_to_draft": COMPOSE,
        "reject": APPROVE,
        "approve": APPROVE,
        "schedule": COMPOSE,
        "unschedule": COMPOSE,
        "pause": COMPOSE,
        "resume": COMPOSE,
        "release": APPROVE,
        "halt": COMPOSE,
        "cancel": COMPOSE,
    }

    def get_serializer_class(self) -> Any:
        return BroadcastSerializer if self.action == "list" else self.serializer_class

    def get_queryset(self) -> models.QuerySet[Broadcast]:
        latest = Run.objects.filter(broadcast=models.OuterRef("pk")).order_by("-pk")
        chosen = Broadcast.chats.through.objects.filter(broadcast=models.OuterRef("pk"))
        counted: Any = chosen.order_by().values("broadcast").annotate(n=models.Count("pk"))
        visible = Broadcast.objects.visible_to(acting_user(self.request))
        broadcasts = with_given_approvals(visible).annotate(
            latest_run=models.Subquery(latest.values("pk")[:1]),
            chat_count=models.functions.Coalesce(models.Subquery(counted.values("n")), 0),
        )
        related = broadcasts.select_related("enterprise", "channel_account", "schedule")
        parts: list[Any] = ["communities", "segments", "excluded_segments"]
        if self.action != "list":
            parts.append(models.Prefetch("chats", GroupChat.objects.only("pk")))
        return related.prefetch_related(*parts).fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=EditBroadcastSerializer, responses={201: BroadcastDetailSerializer})
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
        """现在发会发给谁、哪些人因为什么不发；不写任何数据。"""
        broadcast = self.plain()
        communities = list(broadcast.communities.all())
        estimate = estimate_audience(broadcast, as_of=database_now(), communities=communities)
        return Response(EstimateSerializer(estimate).data)

    @extend_schema(responses=CheckSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def checks(self, request: Request, pk: str) -> Response:
        """送审和批准之前的检查：广告法用语、广告占比、频次、全员群发等，逐项。"""
        broadcast = self.plain()
        communities = list(broadcast.communities.all())
        estimate = estimate_audience(broadcast, as_of=database_now(), communities=communities)
        found = checks_of(broadcast, communities=communities, estimate=estimate)
        return Response(CheckSerializer(found, many=True).data)

    @extend_schema(responses=ApprovalSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def approvals(self, request: Request, pk: str) -> Response:
        """谁在看到什么之后批准、退回过；作废的也留着，最新的在前。"""
        rows = Approval.objects.filter(broadcast=self.plain()).select_related("user")
        return Response(ApprovalSerializer(rows.order_by("-pk"), many=True).data)

    def plain(self) -> Broadcast:
        """The row itself, for selectors that read of it what they need."""
        return Broadcast.objects.get(pk=self.get_object().pk)

    @command()
    def submit(self, request: Request, pk: str) -> Response:
        """送审。"""
        return self.run_verb(approving.submit_broadcast)

    @command(body=ReturnToDraftSerializer, url_path="return-to-draft")
    def return_to_draft(self, request: Request, pk: str) -> Response:
        """退回草稿以便修改；之前的批准作废。"""
        return self.run_verb(approving.return_broadcast_to_draft, body=ReturnToDraftSerializer)

    @command(body=BroadcastReasonSerializer)
    def reject(self, request: Request, pk: str) -> Response:
        """审批人退回草稿，写明要改什么。"""
        return self.run_verb(approving.return_broadcast_to_draft, body=BroadcastReasonSerializer)

    @command(body=ApproveSerializer)
    def approve(self, request: Request, pk: str) -> Response:
        """由作者和最后修改人之外的人批准；全员群发要两位。"""
        return self.run_verb(approving.approve_broadcast, body=ApproveSerializer)

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
        """从停下的地方继续，已有结果的不会重发。被叫停的要审批权限和理由，用 release。"""
        return self.run_verb(controlling.resume_broadcast)

    @command(body=BroadcastReasonSerializer)
    def halt(self, request: Request, pk: str) -> Response:
        """叫停：不再开始新的调用，等在平台上的也停止；恢复要审批权限。"""
        return self.run_verb(halting.halt_by_hand, body=BroadcastReasonSerializer)

    @command(body=BroadcastReasonSerializer)
    def release(self, request: Request, pk: str) -> Response:
        """恢复被叫停的群发：由有审批权限的同事写明理由。"""
        return self.run_verb(halting.release_broadcast, body=BroadcastReasonSerializer)

    @command()
    def cancel(self, request: Request, pk: str) -> Response:
        """取消，不能恢复；正在发的批次会在 status_reason 里说明。"""
        return self.run_verb(controlling.cancel_broadcast)
