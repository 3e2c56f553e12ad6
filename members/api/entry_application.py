from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from communities.models import Community
from members.criteria import explain
from members.models import EntryApplication, Member
from members.rules.status import OPEN_APPLICATION, ApplicationStatus, JoinSource, may_become
from members.services.joining import apply_for_entry, invite_member, withdraw_application
from members.services.reviewing import approve_application, reject_application
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_MEMBERS, Capability.MANAGE_MEMBERS
REVIEW = Capability.REVIEW_APPLICATIONS


class ClauseResultSerializer(serializers.Serializer[Any]):
    """一个条件的结果。"""

    rule = serializers.ChoiceField(
        choices=["minimum_tier", "policy"], help_text=_("来自最低层级还是准入规则。")
    )
    path = serializers.CharField(help_text=_("条件在规则里的 JSON 路径。"))
    metric = serializers.CharField()
    op = serializers.CharField()
    required = serializers.JSONField(  # type: ignore[assignment]  # a field, not the base's option
        help_text=_("要求的值。")
    )
    actual = serializers.JSONField(allow_null=True, help_text=_("实际的值；null 表示没有记录。"))
    window_days = serializers.IntegerField(allow_null=True)
    negated = serializers.BooleanField(help_text=_("条件是否在 not 里，需要不成立。"))
    passed = serializers.BooleanField()
    missing = serializers.IntegerField(allow_null=True, help_text=_("还差多少。"))
    text = serializers.SerializerMethodField(help_text=_("给人看的一句话。"))

    def get_text(self, clause: dict[str, object]) -> str:
        return explain(clause)


class EntryApplicationSerializer(StrictModelSerializer[EntryApplication]):
    community_name = serializers.CharField(source="community.name", read_only=True)
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)
    policy_version = serializers.IntegerField(source="policy.version", read_only=True)
    clauses = ClauseResultSerializer(many=True, read_only=True)
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事：approve、reject、withdraw。")
    )

    class Meta:
        model = EntryApplication
        fields = (
            "id",
            "community",
            "community_name",
            "member",
            "member_nickname",
            "policy",
            "policy_version",
            "source",
            "status",
            "clauses",
            "reason",
            "decided_by",
            "decided_at",
            "submitted_at",
            "membership",
            "available_actions",
        )

    @extend_schema_field(
        serializers.ListField(
            child=serializers.ChoiceField(choices=["approve", "reject", "withdraw"])
        )
    )
    def get_available_actions(self, application: EntryApplication) -> list[str]:
        return actions_for(application, self.context["request"].user)


def actions_for(application: EntryApplication, user: User) -> list[str]:
    """What this user may do with an application in its present state."""
    verbs = {
        "approve": (ApplicationStatus.APPROVED, REVIEW),
        "reject": (ApplicationStatus.REJECTED, REVIEW),
        "withdraw": (ApplicationStatus.WITHDRAWN, MANAGE),
    }
    return [
        name
        for name, (target, capability) in verbs.items()
        if may_become(application.status, target) and user.can(capability)
    ]


class ApplySerializer(StrictSerializer):
    member: Any = VisibleRelatedField(queryset=Member.objects.all())
    community: Any = VisibleRelatedField(queryset=Community.objects.all())


class RejectSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, help_text=_("申请人会看到。"))


class EntryApplicationFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=ApplicationStatus.choices)
    is_open = filters.BooleanFilter(method="with_openness")
    community = VisibleModelChoiceFilter(model=Community)
    member = VisibleModelChoiceFilter(model=Member)
    source = filters.MultipleChoiceFilter(choices=JoinSource.choices)
    submitted_after = filters.IsoDateTimeFilter(field_name="submitted_at", lookup_expr="gte")
    submitted_before = filters.IsoDateTimeFilter(field_name="submitted_at", lookup_expr="lt")

    class Meta:
        model = EntryApplication
        fields: list[str] = []

    def with_openness(
        self, applications: models.QuerySet[EntryApplication], name: str, value: bool
    ) -> models.QuerySet[EntryApplication]:
        is_open = models.Q(status__in=OPEN_APPLICATION)
        return applications.filter(is_open if value else ~is_open)


class EntryApplicationViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[EntryApplication]
):
    """入群申请：谁想进哪个社群，规则逐条怎么说，谁决定的。"""

    queryset = EntryApplication.objects.none()
    serializer_class = EntryApplicationSerializer
    filterset_class = EntryApplicationFilter
    ordering = ("-id",)
    ordering_fields = ("id", "submitted_at", "decided_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "invite": MANAGE,
        "approve": REVIEW,
        "reject": REVIEW,
        "withdraw": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[EntryApplication]:
        rows = EntryApplication.objects.visible_to(acting_user(self.request))
        return rows.select_related("community", "member", "policy").fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=ApplySerializer, responses={201: EntryApplicationSerializer})
    def create(self, request: Request) -> Response:
        """申请入群，立即按规则决定；没有通过也返回 201，逐条说明原因。"""
        values = self.body(ApplySerializer)
        application = apply_for_entry(**values, source=JoinSource.API, actor=acting_user(request))
        return self.answer(application, code=status.HTTP_201_CREATED)

    @command(
        body=ApplySerializer,
        answer=EntryApplicationSerializer,
        code=status.HTTP_201_CREATED,
        detail=False,
    )
    def invite(self, request: Request) -> Response:
        """邀请成员进入“仅邀请”的社群；最低层级仍然要满足。"""
        values = self.body(ApplySerializer)
        application = invite_member(**values, source=JoinSource.API, actor=acting_user(request))
        return self.answer(application, code=status.HTTP_201_CREATED)

    @command()
    def approve(self, request: Request, pk: str) -> Response:
        """审核通过，有空位立即入群，没有则等待。"""
        return self.run_verb(approve_application)

    @command(body=RejectSerializer)
    def reject(self, request: Request, pk: str) -> Response:
        return self.run_verb(reject_application, body=RejectSerializer)

    @command()
    def withdraw(self, request: Request, pk: str) -> Response:
        return self.run_verb(withdraw_application)
