from __future__ import annotations

from itertools import chain
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from communities.models import Community, JoinWay
from members.criteria import explain, names_of
from members.models import EntryApplication, Member
from members.rules.status import OPEN_APPLICATION, ApplicationStatus, JoinSource
from members.selectors.reviewing import ACTIONS, is_overdue, possible_actions
from members.services.joining import apply_for_entry, invite_member, withdraw_application
from members.services.reviewing import (
    approve_application,
    claim_application,
    claim_next_application,
    reject_application,
    release_application,
    undo_decision,
)
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
        choices=["minimum_tier", "policy", "blocklist"],
        help_text=_("来自最低层级、准入规则还是黑名单。"),
    )
    path = serializers.CharField(help_text=_("条件在规则里的 JSON 路径。"))
    metric = serializers.CharField()
    op = serializers.CharField()
    required = serializers.JSONField(  # type: ignore[assignment]  # a field, not the base's option
        help_text=_("要求的值。")
    )
    actual = serializers.JSONField(allow_null=True, help_text=_("实际的值；null 表示没有记录。"))
    window_days = serializers.IntegerField(allow_null=True)
    of = serializers.CharField(
        allow_null=True, default=None, help_text=_("限定的社群或分层方案；null 表示不限。")
    )
    negated = serializers.BooleanField(help_text=_("条件是否在 not 里，需要不成立。"))
    passed = serializers.BooleanField()
    missing = serializers.IntegerField(allow_null=True, help_text=_("还差多少。"))
    provisional = serializers.BooleanField(
        default=False, help_text=_("按照片当作通过，照片还没有人看过。")
    )
    text = serializers.SerializerMethodField(help_text=_("给人看的一句话。"))

    def get_text(self, clause: dict[str, object]) -> str:
        return explain(clause, names=self.context["names"])


class ApplicationPage(serializers.ListSerializer[Any]):
    """The names of what the clauses speak of are looked up once for all rows."""

    def to_representation(self, data: Any) -> Any:
        rows = list(data)
        name_clauses(self.context, rows)
        return super().to_representation(rows)


def name_clauses(context: Any, rows: list[EntryApplication]) -> None:
    """For the serializers of the clauses, which share the context."""
    clauses = chain.from_iterable(row.clauses for row in rows)
    enterprise_id = context["request"].user.enterprise_id
    context["names"] = names_of(clauses, enterprise_id=enterprise_id)


class EntryApplicationSerializer(StrictModelSerializer[EntryApplication]):
    community_name = serializers.CharField(source="community.name", read_only=True)
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)
    policy_version = serializers.IntegerField(source="policy.version", read_only=True)
    clauses = ClauseResultSerializer(many=True, read_only=True)
    available_actions = serializers.SerializerMethodField(help_text=_("当前用户现在可以做的事。"))
    claimed_by_name = serializers.CharField(
        source="claimed_by.username", read_only=True, default=""
    )
    is_overdue = serializers.SerializerMethodField(help_text=_("超过审核时限还没有人决定。"))

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
            "join_way",
            "status",
            "clauses",
            "reason",
            "review_due_at",
            "is_overdue",
            "claimed_by",
            "claimed_by_name",
            "claimed_until",
            "decided_by",
            "decided_at",
            "settles_at",
            "expires_at",
            "submitted_at",
            "membership",
            "available_actions",
        )
        list_serializer_class = ApplicationPage

    def to_representation(self, application: EntryApplication) -> Any:
        if not isinstance(self.parent, ApplicationPage):
            name_clauses(self.context, [application])
        return super().to_representation(application)

    def get_is_overdue(self, application: EntryApplication) -> bool:
        return is_overdue(application, now=timezone.now())

    @extend_schema_field(
        serializers.ListField(child=serializers.ChoiceField(choices=list(ACTIONS)))
    )
    def get_available_actions(self, application: EntryApplication) -> list[str]:
        user = self.context["request"].user
        return possible_actions(application, user, now=timezone.now())


class ApplySerializer(StrictSerializer):
    member: Any = VisibleRelatedField(queryset=Member.objects.all())
    community: Any = VisibleRelatedField(queryset=Community.objects.all())


class ApplyThroughSerializer(ApplySerializer):
    join_way: Any = VisibleRelatedField(
        queryset=JoinWay.objects.all(),
        required=False,
        allow_null=True,
        help_text=_("从哪个群活码来；优先进它的客户群，并计入它的统计。"),
    )


class ClaimNextSerializer(StrictSerializer):
    community: Any = VisibleRelatedField(
        queryset=Community.objects.all(), required=False, allow_null=True
    )


class RejectSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, help_text=_("申请人会看到。"))


class EntryApplicationFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=ApplicationStatus.choices)
    is_open = filters.BooleanFilter(method="with_openness")
    overdue = filters.BooleanFilter(method="with_lateness", label=_("超过审核时限"))
    claimed_by = VisibleModelChoiceFilter(model=User)
    join_way = VisibleModelChoiceFilter(model=JoinWay)
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

    def with_lateness(
        self, applications: models.QuerySet[EntryApplication], name: str, value: bool
    ) -> models.QuerySet[EntryApplication]:
        late = EntryApplication.objects.overdue().values("pk")
        return applications.filter(pk__in=late) if value else applications.exclude(pk__in=late)


class EntryApplicationViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[EntryApplication]
):
    """入群申请：谁想进哪个社群，规则逐条怎么说，谁决定的。"""

    queryset = EntryApplication.objects.none()
    serializer_class = EntryApplicationSerializer
    filterset_class = EntryApplicationFilter
    ordering = ("-id",)
    ordering_fields = ("id", "submitted_at", "decided_at", "review_due_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "invite": MANAGE,
        "claim_next": REVIEW,
        "claim": REVIEW,
        "release": REVIEW,
        "approve": REVIEW,
        "reject": REVIEW,
        "undo": REVIEW,
        "withdraw": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[EntryApplication]:
        rows = EntryApplication.objects.visible_to(acting_user(self.request))
        joined = ("community", "member", "policy", "claimed_by")
        return rows.select_related(*joined).fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=ApplyThroughSerializer, responses={201: EntryApplicationSerializer})
    def create(self, request: Request) -> Response:
        """申请入群，立即按规则决定；没有通过也返回 201，逐条说明原因。"""
        values = self.body(ApplyThroughSerializer)
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

    @command(
        body=ClaimNextSerializer,
        answer=EntryApplicationSerializer,
        detail=False,
        url_path="claim-next",
    )
    def claim_next(self, request: Request) -> Response:
        """领取最先到期、没有同事在审的一份；15 分钟内没有决定就回到队列。"""
        values = self.body(ClaimNextSerializer)
        return self.answer(claim_next_application(actor=acting_user(request), **values))

    @command()
    def claim(self, request: Request, pk: str) -> Response:
        """领取这一份；同事在审时拒绝，并说明到几点。"""
        return self.run_verb(claim_application)

    @command()
    def release(self, request: Request, pk: str) -> Response:
        """放回队列。"""
        return self.run_verb(release_application)

    @command()
    def approve(self, request: Request, pk: str) -> Response:
        """审核通过。10 秒后生效：有空位入群，没有则等待；此前可以撤销。"""
        return self.run_verb(approve_application)

    @command(body=RejectSerializer)
    def reject(self, request: Request, pk: str) -> Response:
        """拒绝并说明理由。10 秒后生效，此前可以撤销。"""
        return self.run_verb(reject_application, body=RejectSerializer)

    @command()
    def undo(self, request: Request, pk: str) -> Response:
        """撤销自己刚做的决定；10 秒后不能再撤销。"""
        return self.run_verb(undo_decision)

    @command()
    def withdraw(self, request: Request, pk: str) -> Response:
        """替申请人撤回。"""
        return self.run_verb(withdraw_application)
