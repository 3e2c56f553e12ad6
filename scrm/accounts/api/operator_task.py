from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import OperatorTask, Staff
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.rules.roles import Capability
from scrm.accounts.services.operator_tasks import assign_task, complete_task, dismiss_task
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, WORK = Capability.VIEW_COMMUNITIES, Capability.MANAGE_COMMUNITIES
VERBS = ["complete", "dismiss", "assign"]


class OperatorTaskSerializer(StrictModelSerializer[OperatorTask]):
    details = serializers.DictField(
        read_only=True, help_text=_("依据：随类型不同，例如建议并入的社群和理由。")
    )
    assignee_name = serializers.CharField(source="assignee.name", read_only=True, default="")
    closed_by_name = serializers.CharField(source="closed_by.username", read_only=True, default="")
    is_overdue = serializers.SerializerMethodField(help_text=_("待处理且过了截止时间。"))
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事：complete、dismiss、assign。")
    )

    class Meta:
        model = OperatorTask
        fields = (
            "id",
            "kind",
            "title",
            "object_type",
            "object_id",
            "details",
            "assignee",
            "assignee_name",
            "status",
            "due_at",
            "is_overdue",
            "created_at",
            "closed_at",
            "closed_by",
            "closed_by_name",
            "note",
            "available_actions",
        )

    def get_is_overdue(self, task: OperatorTask) -> bool:
        is_late = task.due_at is not None and task.due_at < timezone.now()
        return task.status == TaskStatus.OPEN and is_late

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=VERBS)))
    def get_available_actions(self, task: OperatorTask) -> list[str]:
        may_work = self.context["request"].user.can(WORK)
        return VERBS if may_work and task.status == TaskStatus.OPEN else []


class CompleteTaskSerializer(StrictSerializer):
    note = serializers.CharField(
        max_length=300, required=False, allow_blank=True, help_text=_("怎么处理的。")
    )


class DismissTaskSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, help_text=_("为什么不处理。"))


class AssignTaskSerializer(StrictSerializer):
    assignee: Any = VisibleRelatedField(
        queryset=Staff.objects.all(), allow_null=True, help_text=_("null 表示不指定负责人。")
    )


class OperatorTaskFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    kind = filters.MultipleChoiceFilter(choices=TaskKind.choices)
    status = filters.MultipleChoiceFilter(choices=TaskStatus.choices)
    assignee = VisibleModelChoiceFilter(model=Staff)
    unassigned = filters.BooleanFilter(field_name="assignee", lookup_expr="isnull")
    overdue = filters.BooleanFilter(method="with_lateness")
    object_type = filters.CharFilter()
    object_id = filters.NumberFilter()

    class Meta:
        model = OperatorTask
        fields: list[str] = []

    def with_lateness(
        self, tasks: models.QuerySet[OperatorTask], name: str, value: bool
    ) -> models.QuerySet[OperatorTask]:
        late = OperatorTask.objects.overdue(timezone.now()).values("pk")
        return tasks.filter(pk__in=late) if value else tasks.exclude(pk__in=late)


class OperatorTaskViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[OperatorTask]
):
    """待办：平台或规则留给人做的事。数据范围不是“全部”时只看到自己的。"""

    queryset = OperatorTask.objects.none()
    serializer_class = OperatorTaskSerializer
    filterset_class = OperatorTaskFilter
    ordering = ("-id",)
    ordering_fields = ("id", "due_at", "created_at", "closed_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "complete": WORK,
        "dismiss": WORK,
        "assign": WORK,
    }

    def get_queryset(self) -> models.QuerySet[OperatorTask]:
        rows = OperatorTask.objects.visible_to(acting_user(self.request))
        return rows.select_related("assignee", "closed_by").fetch_mode(models.FETCH_RAISE)

    @command(body=CompleteTaskSerializer)
    def complete(self, request: Request, pk: str) -> Response:
        """做完了。"""
        return self.run_verb(complete_task, body=CompleteTaskSerializer)

    @command(body=DismissTaskSerializer)
    def dismiss(self, request: Request, pk: str) -> Response:
        """不做，并说明为什么。"""
        return self.run_verb(dismiss_task, body=DismissTaskSerializer)

    @command(body=AssignTaskSerializer)
    def assign(self, request: Request, pk: str) -> Response:
        """交给一位同事。"""
        return self.run_verb(assign_task, body=AssignTaskSerializer)
