from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import ContentVersion, SopEnrolment, SopPlan, SopStep, SopTask
from campaigns.rules.sop import (
    ITEM_LENGTH,
    ITEM_LIMIT,
    EnrolmentStatus,
    SopStatus,
    SopTaskStatus,
    StepKind,
)
from campaigns.services.sop_enrolling import cancel_sop, enrol_chats, pause_sop, resume_sop
from campaigns.services.sop_plans import (
    LAST_DAY,
    STEP_LIMIT,
    approve_sop_plan,
    create_sop_plan,
    edit_sop_plan,
    retire_sop_plan,
    return_sop_plan,
    submit_sop_plan,
)
from campaigns.services.sop_tasks import skip_sop_task, tick_sop_items
from communities.models import GroupChat
from communities.rules.kinds import ContentCategory
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.wecom.models import ChannelAccount

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS


class SopStepSerializer(StrictModelSerializer[SopStep]):
    items: Any = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = SopStep
        fields = (
            "id",
            "day_offset",
            "local_time",
            "kind",
            "title",
            "category",
            "body",
            "content_version",
            "items",
        )


class StepBodySerializer(StrictSerializer):
    day_offset = serializers.IntegerField(min_value=0, max_value=LAST_DAY)
    local_time = serializers.TimeField()
    kind = serializers.ChoiceField(choices=StepKind.choices)
    title = serializers.CharField(max_length=120)
    category = serializers.ChoiceField(choices=ContentCategory.choices, required=False)
    body = serializers.CharField(
        max_length=4000,
        required=False,
        allow_blank=True,
        help_text=_("可用变量：{{群名}}、{{社群}}；企业微信渠道不能用变量。"),
    )
    content_version: Any = VisibleRelatedField(
        queryset=ContentVersion.objects.all(), required=False, allow_null=True
    )
    items = serializers.ListField(
        child=serializers.CharField(max_length=ITEM_LENGTH), max_length=ITEM_LIMIT, required=False
    )


class SopPlanSerializer(StrictModelSerializer[SopPlan]):
    steps = SopStepSerializer(many=True, read_only=True)

    class Meta:
        model = SopPlan
        fields = (
            "id",
            "name",
            "channel_account",
            "status",
            "author",
            "approved_by",
            "approved_at",
            "created_at",
            "steps",
        )


class PlanBodySerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    channel_account: Any = VisibleRelatedField(queryset=ChannelAccount.objects.all())
    steps = StepBodySerializer(  # type: ignore[call-arg]  # what many=True takes besides
        many=True, required=False, max_length=STEP_LIMIT, help_text=_("给出时替换全部步骤。")
    )


class SopReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300)


class EnrolSerializer(StrictSerializer):
    chats: Any = VisibleRelatedField(queryset=GroupChat.objects.all(), many=True, allow_empty=False)
    begins_on = serializers.DateField(
        required=False, help_text=_("第 0 天，企业时区的日期；不填是今天。")
    )


class SopPlanFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=SopStatus.choices)

    class Meta:
        model = SopPlan
        fields: list[str] = []


class SopPlanViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[SopPlan]):
    """群 SOP：按天数安排的消息和人工清单；批准后让群执行，到时自动发送或生成待办。"""

    queryset = SopPlan.objects.none()
    serializer_class = SopPlanSerializer
    filterset_class = SopPlanFilter
    ordering = ("-id",)
    ordering_fields = ("id", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": COMPOSE,
        "partial_update": COMPOSE,
        "submit": COMPOSE,
        "approve": Capability.APPROVE_CAMPAIGNS,
        "return_to_draft": COMPOSE,
        "retire": COMPOSE,
        "enrol": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[SopPlan]:
        steps = SopStep.objects.order_by("day_offset", "local_time", "pk")
        plans = SopPlan.objects.visible_to(acting_user(self.request))
        return plans.prefetch_related(models.Prefetch("steps", queryset=steps)).fetch_mode(
            models.FETCH_RAISE
        )

    @extend_schema(request=PlanBodySerializer, responses={201: SopPlanSerializer})
    def create(self, request: Request) -> Response:
        """写一份草稿。"""
        return self.run_create(create_sop_plan, body=PlanBodySerializer)

    @extend_schema(request=PlanBodySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """只有草稿可以修改；改的人就是作者，不能审批。"""
        return self.run_verb(edit_sop_plan, body=PlanBodySerializer, partial=True)

    @command()
    def submit(self, request: Request, pk: str) -> Response:
        """送审；有广告法拦截词的会被拒绝。"""
        return self.run_verb(submit_sop_plan)

    @command()
    def approve(self, request: Request, pk: str) -> Response:
        """由作者之外的人批准；其中的消息以后不再逐条审批。"""
        return self.run_verb(approve_sop_plan)

    @command(body=SopReasonSerializer, url_path="return-to-draft")
    def return_to_draft(self, request: Request, pk: str) -> Response:
        """退回草稿以便修改。"""
        return self.run_verb(return_sop_plan, body=SopReasonSerializer)

    @command()
    def retire(self, request: Request, pk: str) -> Response:
        """停用：还没到时间的都不再发生，不能恢复。"""
        return self.run_verb(retire_sop_plan)

    @command(body=EnrolSerializer)
    def enrol(self, request: Request, pk: str) -> Response:
        """让一批群执行；已在执行的不变，已过时间的步骤跳过。"""
        return self.run_verb(enrol_chats, body=EnrolSerializer)


class SopEnrolmentSerializer(StrictModelSerializer[SopEnrolment]):
    chat_name = serializers.CharField(source="chat.name", read_only=True)

    class Meta:
        model = SopEnrolment
        fields = (
            "id",
            "plan",
            "chat",
            "chat_name",
            "begins_on",
            "status",
            "enrolled_by",
            "enrolled_at",
        )


class SopEnrolmentFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    plan = VisibleModelChoiceFilter(model=SopPlan)
    chat = VisibleModelChoiceFilter(model=GroupChat)
    status = filters.MultipleChoiceFilter(choices=EnrolmentStatus.choices)

    class Meta:
        model = SopEnrolment
        fields: list[str] = []


class SopEnrolmentViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[SopEnrolment]
):
    """执行 SOP 的群。"""

    queryset = SopEnrolment.objects.none()
    serializer_class = SopEnrolmentSerializer
    filterset_class = SopEnrolmentFilter
    ordering = ("-id",)
    ordering_fields = ("id", "begins_on")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "pause": COMPOSE,
        "resume": COMPOSE,
        "cancel": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[SopEnrolment]:
        rows = SopEnrolment.objects.visible_to(acting_user(self.request))
        return rows.select_related("chat").fetch_mode(models.FETCH_RAISE)

    @command()
    def pause(self, request: Request, pk: str) -> Response:
        """暂停这个群的 SOP。"""
        return self.run_verb(pause_sop)

    @command()
    def resume(self, request: Request, pk: str) -> Response:
        """继续；暂停期间到期的步骤跳过。"""
        return self.run_verb(resume_sop)

    @command()
    def cancel(self, request: Request, pk: str) -> Response:
        """结束这个群的 SOP，不能恢复。"""
        return self.run_verb(cancel_sop)


class SopTaskSerializer(StrictModelSerializer[SopTask]):
    plan = serializers.IntegerField(source="enrolment.plan_id", read_only=True)
    chat = serializers.IntegerField(source="enrolment.chat_id", read_only=True)
    chat_name = serializers.CharField(source="enrolment.chat.name", read_only=True)
    kind = serializers.ChoiceField(choices=StepKind.choices, source="step.kind", read_only=True)
    title = serializers.CharField(source="step.title", read_only=True)
    items: Any = serializers.ListField(
        child=serializers.CharField(), source="step.items", read_only=True
    )
    done_items: Any = serializers.ListField(child=serializers.IntegerField(), read_only=True)

    class Meta:
        model = SopTask
        fields = (
            "id",
            "enrolment",
            "plan",
            "chat",
            "chat_name",
            "step",
            "kind",
            "title",
            "items",
            "done_items",
            "due_at",
            "status",
            "reason",
            "run",
            "operator_task",
            "done_by",
            "done_at",
        )


class TickSerializer(StrictSerializer):
    items = serializers.ListField(
        child=serializers.IntegerField(min_value=0),
        max_length=ITEM_LIMIT,
        help_text=_("做完的是第几件，从 0 数起；替换之前勾选的。"),
    )


class SopTaskFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    enrolment = VisibleModelChoiceFilter(model=SopEnrolment)
    plan = VisibleModelChoiceFilter(model=SopPlan, field_name="enrolment__plan")
    status = filters.MultipleChoiceFilter(choices=SopTaskStatus.choices)
    kind = filters.ChoiceFilter(choices=StepKind.choices, field_name="step__kind")

    class Meta:
        model = SopTask
        fields: list[str] = []


class SopTaskViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[SopTask]):
    """每个群的每一步：到期的清单可以勾选，勾完即完成。"""

    queryset = SopTask.objects.none()
    serializer_class = SopTaskSerializer
    filterset_class = SopTaskFilter
    ordering = ("-id",)
    ordering_fields = ("id", "due_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "tick": COMPOSE,
        "skip": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[SopTask]:
        rows = SopTask.objects.visible_to(acting_user(self.request))
        return rows.select_related("enrolment__chat", "step").fetch_mode(models.FETCH_RAISE)

    @command(body=TickSerializer)
    def tick(self, request: Request, pk: str) -> Response:
        """勾选清单；全部勾选后任务完成，待办也随之结束。"""
        return self.run_verb(tick_sop_items, body=TickSerializer)

    @command(body=SopReasonSerializer)
    def skip(self, request: Request, pk: str) -> Response:
        """这个群不做这一步，写明原因。"""
        return self.run_verb(skip_sop_task, body=SopReasonSerializer)
