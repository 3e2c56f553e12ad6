"""What is done to keep members, and by which rule alerts are raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.db import models
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import ChurnAlert, WinbackAction, WinbackPolicy
from campaigns.rules.winback import (
    MOST_AT_ONCE,
    POLICY_LIMITS,
    WinbackKind,
    WinbackStatus,
    winback_reason_words,
)
from campaigns.selectors.winback import policy_of
from campaigns.services.winback import (
    MOST_COST,
    Planned,
    plan_benefits,
    plan_message,
    plan_tasks,
)
from campaigns.services.winback_ends import cancel_winback, complete_winback
from campaigns.services.winback_policies import (
    FIELDS,
    create_winback_policy,
    edit_winback_policy,
    remove_winback_policy,
)
from communities.models import Community
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter, refuse_unknown
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.wecom.models import ChannelAccount

VIEW, WORK = Capability.VIEW_CAMPAIGNS, Capability.WORK_ALERTS
MANAGE = Capability.MANAGE_SEND_POLICIES


# --- actions ---


class WinbackActionSerializer(StrictModelSerializer[WinbackAction]):
    member = serializers.IntegerField(source="alert.member_id", read_only=True)
    member_nickname = serializers.CharField(source="alert.member.nickname", read_only=True)
    community = serializers.IntegerField(source="alert.community_id", read_only=True)
    reason_in_words = serializers.SerializerMethodField(help_text=_("没有执行的原因。"))

    class Meta:
        model = WinbackAction
        fields = (
            "id",
            "alert",
            "member",
            "member_nickname",
            "community",
            "kind",
            "status",
            "broadcast",
            "task",
            "benefit",
            "cost_amount",
            "note",
            "reason",
            "reason_in_words",
            "created_by",
            "created_at",
            "done_at",
        )

    def get_reason_in_words(self, row: WinbackAction) -> str:
        return winback_reason_words(row.reason)


class RefusedSerializer(serializers.Serializer[Any]):
    alert = serializers.IntegerField(source="alert_id")
    code = serializers.CharField(
        help_text=_("not_found、alert_closed、alert_held_out 或 winback_planned。")
    )
    detail = serializers.CharField(source="message")


class PlannedSerializer(serializers.Serializer[Any]):
    actions = WinbackActionSerializer(many=True)
    refused = RefusedSerializer(many=True, help_text=_("没有安排的预警和原因；其余照常安排。"))
    broadcast = serializers.IntegerField(
        source="broadcast.pk", default=None, allow_null=True, help_text=_("发消息时起草的群发。")
    )


class AlertsSerializer(StrictSerializer):
    alerts = serializers.ListField(
        child=serializers.IntegerField(min_value=1),
        min_length=1,
        max_length=MOST_AT_ONCE,
        help_text=_("预警的编号，一次最多 500 条。"),
    )
    note = serializers.CharField(max_length=300, required=False, allow_blank=True)


class BenefitsSerializer(AlertsSerializer):
    benefit = serializers.CharField(max_length=200, help_text=_("例如优惠券的名称或批次号。"))
    cost_amount = serializers.IntegerField(
        min_value=0, max_value=MOST_COST, required=False, help_text=_("每人的成本，分。")
    )


class MessageSerializer(AlertsSerializer):
    name = serializers.CharField(max_length=120, help_text=_("群发的标题。"))
    body = serializers.CharField(max_length=4000, help_text=_("可用变量同群发。"))
    channel_account = VisibleRelatedField(
        queryset=ChannelAccount.objects.all(),
        required=False,
        help_text=_("不写则用承载第一个社群最多群的账号。"),
    )
    benefit = serializers.CharField(max_length=200, required=False, allow_blank=True)
    cost_amount = serializers.IntegerField(min_value=0, max_value=MOST_COST, required=False)


class EndSerializer(StrictSerializer):
    note = serializers.CharField(max_length=300, required=False, allow_blank=True)


class WinbackActionFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=WinbackStatus.choices)
    kind = filters.MultipleChoiceFilter(choices=WinbackKind.choices)
    alert = VisibleModelChoiceFilter(model=ChurnAlert)
    community = VisibleModelChoiceFilter(model=Community, field_name="alert__community")

    class Meta:
        model = WinbackAction
        fields: list[str] = []


class WinbackActionViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[WinbackAction]
):
    """挽回动作：人工联系、发消息、发权益，以及各自的结果。"""

    queryset = WinbackAction.objects.none()
    serializer_class = WinbackActionSerializer
    filterset_class = WinbackActionFilter
    ordering = ("-id",)
    ordering_fields = ("id",)
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "tasks": WORK,
        "benefits": WORK,
        "message": Capability.COMPOSE_CAMPAIGNS,
        "complete": WORK,
        "cancel": WORK,
    }

    def get_queryset(self) -> models.QuerySet[WinbackAction]:
        rows = WinbackAction.objects.visible_to(acting_user(self.request))
        return rows.select_related("alert__member").fetch_mode(models.FETCH_RAISE)

    @command(body=AlertsSerializer, answer=PlannedSerializer, code=201, detail=False)
    def tasks(self, request: Request) -> Response:
        """人工联系：给每条预警的负责人建一个待办，在成员算作流失之前完成。"""
        return self.planned(plan_tasks, AlertsSerializer)

    @command(body=BenefitsSerializer, answer=PlannedSerializer, code=201, detail=False)
    def benefits(self, request: Request) -> Response:
        """发权益：由人发放，发完用 complete 标记。"""
        return self.planned(plan_benefits, BenefitsSerializer)

    @command(body=MessageSerializer, answer=PlannedSerializer, code=201, detail=False)
    def message(self, request: Request) -> Response:
        """发消息：为这些成员起草一条群发，照常审批和防护；动作的结果就是送达的结果。"""
        return self.planned(plan_message, MessageSerializer)

    def planned(self, verb: Callable[..., Planned], body: type[StrictSerializer]) -> Response:
        values = self.body(body)
        planned = verb(values.pop("alerts"), actor=acting_user(self.request), **values)
        return Response(PlannedSerializer(planned).data, status=status.HTTP_201_CREATED)

    @command(body=EndSerializer)
    def complete(self, request: Request, pk: str) -> Response:
        """标记人工联系或权益已完成；待办随之结束。"""
        return self.run_verb(complete_winback, body=EndSerializer)

    @command(body=EndSerializer)
    def cancel(self, request: Request, pk: str) -> Response:
        """不再执行；消息只能在群发开始之前取消。"""
        return self.run_verb(cancel_winback, body=EndSerializer)


# --- rules ---


def _limited(name: str) -> Any:
    least, most = POLICY_LIMITS[name]
    return serializers.IntegerField(min_value=least, max_value=most, required=False)


class WinbackPolicySerializer(StrictModelSerializer[WinbackPolicy]):
    class Meta:
        model = WinbackPolicy
        fields = ("id", "community", *FIELDS)


class WinbackRuleInForceSerializer(StrictModelSerializer[WinbackPolicy]):
    id = serializers.IntegerField(allow_null=True, help_text=_("null 表示没定过，都是默认值。"))

    class Meta:
        model = WinbackPolicy
        fields = ("id", "community", *FIELDS)


class EditWinbackPolicySerializer(StrictSerializer):
    threshold_percent = _limited("threshold_percent")
    top_percent = _limited("top_percent")
    holdout_percent = _limited("holdout_percent")
    cooldown_days = _limited("cooldown_days")


class WinbackPolicyBodySerializer(EditWinbackPolicySerializer):
    community = VisibleRelatedField(
        queryset=Community.objects.all(),
        required=False,
        allow_null=True,
        help_text=_("null 表示全企业。"),
    )


class OfCommunitySerializer(serializers.Serializer[Any]):
    community = serializers.IntegerField(
        min_value=1, required=False, help_text=_("社群的编号；不写是全企业。")
    )


class WinbackPolicyViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[WinbackPolicy]
):
    """流失预警规则：全企业一条，社群可以另定。没有定过的，按默认值执行，见 in-force。"""

    queryset = WinbackPolicy.objects.none()
    serializer_class = WinbackPolicySerializer
    ordering = ("id",)
    ordering_fields = ("id",)
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "in_force": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "destroy": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[WinbackPolicy]:
        rows = WinbackPolicy.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=WinbackPolicyBodySerializer, responses={201: WinbackPolicySerializer})
    def create(self, request: Request) -> Response:
        """为全企业或一个社群定下规则；没写的用默认值。从下一次评分起生效。"""
        return self.run_create(create_winback_policy, body=WinbackPolicyBodySerializer)

    @extend_schema(request=EditWinbackPolicySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """修改规则，从下一次评分起生效；已有的预警不变。"""
        return self.run_verb(edit_winback_policy, body=EditWinbackPolicySerializer, partial=True)

    def destroy(self, request: Request, pk: str) -> Response:
        """删除后按全企业的规则，或按默认值。"""
        remove_winback_policy(self.get_object().pk, actor=acting_user(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        parameters=[OfCommunitySerializer], responses=WinbackRuleInForceSerializer, filters=False
    )
    @action(detail=False, url_path="in-force", pagination_class=None)
    def in_force(self, request: Request) -> Response:
        """一个社群（或全企业）现在按什么规则预警。"""
        refuse_unknown(request, set(OfCommunitySerializer().fields))
        asked = OfCommunitySerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        user = acting_user(request)
        community = community_of(asked.validated_data.get("community"), user)
        policy = policy_of(user.enterprise_id, None if community is None else community.pk)
        return Response(WinbackRuleInForceSerializer(policy).data)


def community_of(pk: int | None, user: User) -> Community | None:
    """The one that is asked about, if the user may see it."""
    return None if pk is None else get_object_or_404(Community.objects.visible_to(user), pk=pk)
