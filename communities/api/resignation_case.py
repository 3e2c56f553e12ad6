from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from communities.api.transfer_bodies import ReasonSerializer
from communities.api.transfer_counts import ItemCountSerializer, ItemCountsField, counted_items
from communities.models import ResignationCase
from communities.rules.transfers import OPEN_CASES, CaseCause, CaseStatus, ItemState
from communities.services.resignation import resigning
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW = Capability.VIEW_COMMUNITIES
MANAGE, APPROVE = Capability.TRANSFER_OWNERSHIP, Capability.APPROVE_TRANSFERS
VERBS = ["approve", "reject", "replan"]


class ResignationCaseSerializer(StrictModelSerializer[ResignationCase]):
    staff_name = serializers.CharField(source="staff.name", read_only=True)
    opened_by_name = serializers.CharField(source="opened_by.username", read_only=True, default="")
    transfer = serializers.IntegerField(
        source="transfer.pk",
        read_only=True,
        default=None,
        allow_null=True,
        help_text=_("明细都在这次转让里；清点之前为 null。"),
    )
    counts = ItemCountsField(help_text=_("明细按对象和状态的条数。"))
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事：approve、reject、replan。")
    )

    class Meta:
        model = ResignationCase
        fields: tuple[str, ...] = (
            "id",
            "staff",
            "staff_name",
            "cause",
            "status",
            "opened_by",
            "opened_by_name",
            "opened_at",
            "left_at",
            "listed_at",
            "trouble",
            "warned_at",
            "closed_at",
            "transfer",
            "counts",
            "available_actions",
        )

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=VERBS)))
    def get_available_actions(self, case: Any) -> list[str]:
        user = self.context["request"].user
        allowed = []
        if any(each["state"] == ItemState.PENDING for each in case.counts):
            allowed += ["approve", "reject"] if user.can(APPROVE) else []
        if case.status in OPEN_CASES and user.can(MANAGE):
            allowed += ["replan"]
        return allowed


class CaseProgressSerializer(serializers.Serializer[Any]):
    """交接进行到哪里。"""

    counts = ItemCountSerializer(many=True)
    total = serializers.IntegerField(help_text=_("清点出来的。"))
    explained = serializers.IntegerField(
        help_text=_("已有结果的：转完、客户拒绝、已不存在、不再转。")
    )
    open = serializers.IntegerField(help_text=_("还没有结果的；为 0 且清点完成就结案。"))
    quota_days = serializers.IntegerField(help_text=_("按平台每天的额度，至少还要几天。"))
    deadline = serializers.DateTimeField(help_text=_("平台允许继承到这时。"))


class ResignationCaseDetailSerializer(ResignationCaseSerializer):
    progress = serializers.SerializerMethodField()

    class Meta(ResignationCaseSerializer.Meta):
        fields = (*ResignationCaseSerializer.Meta.fields, "progress")

    @extend_schema_field(CaseProgressSerializer)
    def get_progress(self, case: ResignationCase) -> Any:
        progress = asdict(resigning.case_progress(case))
        progress["counts"] = [
            {"subject": subject, "state": state, "count": count}
            for subject, states in sorted(progress["counts"].items())
            for state, count in sorted(states.items())
        ]
        return CaseProgressSerializer(progress).data


class OpenCaseSerializer(StrictSerializer):
    staff: Any = VisibleRelatedField(
        queryset=Staff.objects.all(),
        help_text=_("离职的同事；还在职的同时停用，立即失去所有权限（需要 accounts.manage）。"),
    )


class ResignationCaseFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    staff = VisibleModelChoiceFilter(model=Staff)
    status = filters.MultipleChoiceFilter(choices=CaseStatus.choices)
    cause = filters.MultipleChoiceFilter(choices=CaseCause.choices)

    class Meta:
        model = ResignationCase
        fields: list[str] = []


class ResignationCaseViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[ResignationCase]
):
    """离职交接：离职同事名下的每个群、客户和社群都有结果才结案。"""

    queryset = ResignationCase.objects.none()
    filterset_class = ResignationCaseFilter
    ordering = ("-id",)
    ordering_fields = ("id", "opened_at", "left_at", "closed_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "approve": APPROVE,
        "reject": APPROVE,
        "replan": MANAGE,
    }

    def get_serializer_class(self) -> type[ResignationCaseSerializer]:
        return (
            ResignationCaseSerializer if self.action == "list" else ResignationCaseDetailSerializer
        )

    def get_queryset(self) -> models.QuerySet[ResignationCase]:
        rows = ResignationCase.objects.visible_to(acting_user(self.request))
        counts = counted_items(transfer__case=models.OuterRef("pk"))
        rows = rows.annotate(counts=counts).select_related("staff", "opened_by", "transfer")
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=OpenCaseSerializer, responses={201: ResignationCaseDetailSerializer})
    def create(self, request: Request) -> Response:
        """为一位离职的同事建立交接；名下的一切在后台清点、按规则安排。"""
        staff = self.body(OpenCaseSerializer)["staff"]
        if not resigning.may_open_case(acting_user(request), staff):
            raise PermissionDenied(_("他还在职：停用员工需要“管理账号与密钥”的权限。"))
        case = resigning.open_case(staff.pk, actor=acting_user(request))
        return self.answer(case, code=status.HTTP_201_CREATED)

    @command()
    def approve(self, request: Request, pk: str) -> Response:
        """批准方案，按额度开始交接。"""
        return self.run_verb(resigning.approve_case)

    @command(body=ReasonSerializer)
    def reject(self, request: Request, pk: str) -> Response:
        """不批准方案，并写明理由。"""
        return self.run_verb(resigning.reject_case, body=ReasonSerializer)

    @command()
    def replan(self, request: Request, pk: str) -> Response:
        """重新清点、重新安排还没有提交的：规则或人员变了以后用。"""
        return self.run_verb(resigning.replan_case)
