from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from communities.models import (
    ClassificationAxis,
    ClassificationValue,
    Community,
    SplitBranch,
    SplitPlan,
)
from communities.rules.status import SplitStatus, split_may_become
from members.rules.splitting import MAX_AXES, MAX_LEVEL, MAX_SIZE
from members.selectors.splits import preview_split, with_progress
from members.services.inviting_to_split import invite_branch
from members.services.splitting import (
    cancel_split,
    choose_branch,
    complete_split,
    draft_split,
    refresh_split,
    rename_branch,
    skip_branch,
)
from members.services.starting_splits import start_split
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_COMMUNITIES, Capability.MANAGE_COMMUNITIES

# --- how rows look ---


class SplitAxisSerializer(StrictModelSerializer[ClassificationAxis]):
    class Meta:
        model = ClassificationAxis
        fields = ("id", "code", "name")


class SplitValueSerializer(StrictModelSerializer[ClassificationValue]):
    axis_name = serializers.CharField(source="axis.name", read_only=True)

    class Meta:
        model = ClassificationValue
        fields = ("id", "axis", "axis_name", "code", "name")


class CombinationSerializer(serializers.Serializer[Any]):
    """各维度各取一个值。"""

    values = SplitValueSerializer(many=True)
    member_count = serializers.IntegerField()
    is_viable = serializers.BooleanField(help_text=_("达到最小规模。"))


class ValueCountSerializer(serializers.Serializer[Any]):
    """一个值的人数，不论其他维度。"""

    value = SplitValueSerializer()
    member_count = serializers.IntegerField()


class SplitPreviewSerializer(serializers.Serializer[Any]):
    """按这些维度拆会怎样。"""

    member_count = serializers.IntegerField(help_text=_("现有成员。"))
    minimum_size = serializers.IntegerField()
    combinations = CombinationSerializer(many=True)
    values = ValueCountSerializer(many=True)
    unclassified_count = serializers.IntegerField(
        help_text=_("在某个维度上没有值的成员，留在母社群。")
    )
    ambiguous_count = serializers.IntegerField(
        help_text=_(
            "在一个维度上有几个值的成员：按来源最可靠的一个算（凭证、人工、导入、规则），"
            "同样可靠时按最新的。"
        )
    )
    remaining_count = serializers.IntegerField(
        help_text=_("留在母社群的成员：没有分类的，和不到最小规模的组合。")
    )


class SplitProgressSerializer(serializers.Serializer[Any]):
    """一个分支的成员现在怎样。"""

    planned = serializers.IntegerField(source="planned_count", help_text=_("待邀请。"))
    invited = serializers.IntegerField(source="invited_count", help_text=_("已邀请，还没有结果。"))
    joined = serializers.IntegerField(source="joined_count", help_text=_("已加入子社群。"))
    declined = serializers.IntegerField(source="declined_count", help_text=_("不去。"))
    gone = serializers.IntegerField(source="gone_count", help_text=_("已离开母社群，不再邀请。"))
    still_in_parent = serializers.IntegerField(
        source="still_in_parent_count", help_text=_("还在母社群的，不论是否已加入子社群。")
    )


class SplitBranchSerializer(StrictModelSerializer[SplitBranch]):
    values = SplitValueSerializer(many=True, read_only=True)
    child_name = serializers.CharField(source="child.name", read_only=True, default="")
    is_too_small = serializers.SerializerMethodField(
        help_text=_("不到最小规模；要成群须写明理由。")
    )
    progress = SplitProgressSerializer(source="*", read_only=True)
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事：choose、skip、rename、invite。")
    )

    class Meta:
        model = SplitBranch
        fields = (
            "id",
            "plan",
            "name",
            "values",
            "member_count",
            "is_too_small",
            "is_chosen",
            "override_reason",
            "child",
            "child_name",
            "progress",
            "available_actions",
        )

    def get_is_too_small(self, branch: SplitBranch) -> bool:
        return branch.member_count < branch.plan.minimum_size

    @extend_schema_field(
        serializers.ListField(
            child=serializers.ChoiceField(choices=["choose", "skip", "rename", "invite"])
        )
    )
    def get_available_actions(self, branch: Any) -> list[str]:
        if not self.context["request"].user.can(MANAGE):
            return []
        if branch.plan.status == SplitStatus.DRAFT:
            return ["choose", "skip", "rename"]
        is_ready = branch.plan.status == SplitStatus.RUNNING and branch.plan.listed_at is not None
        return ["invite"] if is_ready and branch.planned_count else []


class SplitPlanSerializer(StrictModelSerializer[SplitPlan]):
    community_name = serializers.CharField(source="community.name", read_only=True)
    axes = SplitAxisSerializer(many=True, read_only=True)
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事：refresh、start、complete、cancel。")
    )

    class Meta:
        model = SplitPlan
        fields: tuple[str, ...] = (
            "id",
            "community",
            "community_name",
            "axes",
            "level",
            "minimum_size",
            "status",
            "created_by",
            "created_at",
            "started_at",
            "listed_at",
            "finished_at",
            "available_actions",
        )

    @extend_schema_field(
        serializers.ListField(
            child=serializers.ChoiceField(choices=["refresh", "start", "complete", "cancel"])
        )
    )
    def get_available_actions(self, plan: SplitPlan) -> list[str]:
        if not self.context["request"].user.can(MANAGE):
            return []
        moves = {
            "start": SplitStatus.RUNNING,
            "complete": SplitStatus.COMPLETED,
            "cancel": SplitStatus.CANCELLED,
        }
        possible = [name for name, target in moves.items() if split_may_become(plan.status, target)]
        return ["refresh", *possible] if plan.status == SplitStatus.DRAFT else possible


class SplitPlanDetailSerializer(SplitPlanSerializer):
    branches = SplitBranchSerializer(many=True, read_only=True)

    class Meta(SplitPlanSerializer.Meta):
        fields = (*SplitPlanSerializer.Meta.fields, "branches")


# --- what verbs take ---


class SplitBodySerializer(StrictSerializer):
    community: Any = VisibleRelatedField(queryset=Community.objects.all())
    axes: Any = serializers.ListField(
        child=VisibleRelatedField(queryset=ClassificationAxis.objects.all()),
        min_length=1,
        max_length=MAX_AXES,
        help_text=_("按一个维度，或几个维度的组合拆。"),
    )
    level = serializers.IntegerField(
        min_value=1,
        max_value=MAX_LEVEL,
        required=False,
        help_text=_("分类值有上下级时按第几级，1 是最上级。"),
    )
    minimum_size = serializers.IntegerField(
        min_value=1,
        max_value=MAX_SIZE,
        required=False,
        help_text=_("不填则用社群的最小规模。"),
    )


class ChooseBranchSerializer(StrictSerializer):
    override_reason = serializers.CharField(
        max_length=300,
        required=False,
        allow_blank=True,
        help_text=_("人数不足仍要成群的理由；人数够时不需要。"),
    )


class RenameBranchSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)


# --- filters ---


class SplitPlanFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    status = filters.MultipleChoiceFilter(choices=SplitStatus.choices)

    class Meta:
        model = SplitPlan
        fields: list[str] = []


class SplitBranchFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    plan = VisibleModelChoiceFilter(model=SplitPlan)
    is_chosen = filters.BooleanFilter()

    class Meta:
        model = SplitBranch
        fields: list[str] = []


# --- doors ---


class SplitPlanViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[SplitPlan]):
    """拆群计划：先养大再分。草稿不移动任何人；开始后建立子社群，由成员自己加入。"""

    queryset = SplitPlan.objects.none()
    filterset_class = SplitPlanFilter
    ordering = ("-id",)
    ordering_fields = ("id", "created_at", "started_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "preview": MANAGE,
        "create": MANAGE,
        "refresh": MANAGE,
        "start": MANAGE,
        "complete": MANAGE,
        "cancel": MANAGE,
    }

    def get_serializer_class(self) -> type[SplitPlanSerializer]:
        return SplitPlanSerializer if self.action == "list" else SplitPlanDetailSerializer

    def get_queryset(self) -> models.QuerySet[SplitPlan]:
        rows = SplitPlan.objects.visible_to(acting_user(self.request)).select_related("community")
        axes = models.Prefetch("axes", ClassificationAxis.objects.order_by("pk"))
        rows = rows.prefetch_related(axes)
        if self.action != "list":
            branches = all_of(with_progress(SplitBranch.objects.all())).order_by("pk")
            rows = rows.prefetch_related(models.Prefetch("branches", branches))
        return rows.fetch_mode(models.FETCH_RAISE)

    @command(body=SplitBodySerializer, answer=SplitPreviewSerializer, detail=False)
    def preview(self, request: Request) -> Response:
        """拆之前先看：每个值、每种组合现在有多少人。什么也不改变。"""
        values = self.body(SplitBodySerializer)
        return Response(SplitPreviewSerializer(preview_split(**values)).data)

    @extend_schema(request=SplitBodySerializer, responses={201: SplitPlanDetailSerializer})
    def create(self, request: Request) -> Response:
        """制定拆群计划。不到最小规模的分支默认不成群。"""
        return self.run_create(draft_split, body=SplitBodySerializer)

    @command()
    def refresh(self, request: Request, pk: str) -> Response:
        """重新清点人数；人工做的决定保留。"""
        return self.run_verb(refresh_split)

    @command()
    def start(self, request: Request, pk: str) -> Response:
        """开始：再清点一次，为选中的分支建立子社群，列出要邀请的成员。还不通知任何人。"""
        return self.run_verb(start_split)

    @command()
    def complete(self, request: Request, pk: str) -> Response:
        """结束进行中的拆群，即使还有人没有回应。"""
        return self.run_verb(complete_split)

    @command()
    def cancel(self, request: Request, pk: str) -> Response:
        """取消。进行中的不再邀请，已建立的子社群保留。"""
        return self.run_verb(cancel_split)


class SplitBranchViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[SplitBranch]
):
    """拆群计划的分支：各维度各取一个值的成员。"""

    queryset = SplitBranch.objects.none()
    serializer_class = SplitBranchSerializer
    filterset_class = SplitBranchFilter
    ordering = ("id",)
    ordering_fields = ("id", "member_count", "name")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "partial_update": MANAGE,
        "choose": MANAGE,
        "skip": MANAGE,
        "invite": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[SplitBranch]:
        rows = SplitBranch.objects.visible_to(acting_user(self.request))
        return all_of(with_progress(rows)).fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=RenameBranchSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """改子社群的名称，开始之前。"""
        return self.run_verb(rename_branch, body=RenameBranchSerializer)

    @command(body=ChooseBranchSerializer)
    def choose(self, request: Request, pk: str) -> Response:
        """让这个分支成群。不到最小规模须写明理由。"""
        return self.run_verb(choose_branch, body=ChooseBranchSerializer)

    @command()
    def skip(self, request: Request, pk: str) -> Response:
        """不成群，成员留在母社群。"""
        return self.run_verb(skip_branch)

    @command()
    def invite(self, request: Request, pk: str) -> Response:
        """邀请这个分支的成员：起草一条群发，审批后才发出。"""
        return self.run_verb(invite_branch)


def all_of(branches: models.QuerySet[SplitBranch]) -> models.QuerySet[SplitBranch]:
    """Branches with all that is told of them."""
    values = ClassificationValue.objects.select_related("axis").order_by("axis", "pk")
    return branches.select_related("plan", "child").prefetch_related(
        models.Prefetch("values", values)
    )
