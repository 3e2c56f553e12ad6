"""Members' tiers for programs: who holds which and why, and how a scheme divides its members."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from communities.models import Tier, TierScheme
from members.api.criteria import CheckedClauseSerializer
from members.criteria import explain, names_of
from members.models import Member, TierAssignment, TieringRun
from members.rules.standing import TierCause
from members.selectors.tiers import last_run, tier_distribution
from members.services.tier_locks import lock_tier, unlock_tier
from members.services.tiering_members import retier_member
from members.services.tiering_runs import request_tiering
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import EmptySerializer, StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.shared.criterion_references import Names

VIEW, MANAGE = Capability.VIEW_MEMBERS, Capability.MANAGE_MEMBERS

ClauseList = extend_schema_field(CheckedClauseSerializer(many=True))


class TierAssignmentSerializer(StrictModelSerializer[TierAssignment]):
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)
    scheme_name = serializers.CharField(source="scheme.name", read_only=True)
    tier_name = serializers.CharField(source="tier.name", read_only=True)
    tier_rank = serializers.IntegerField(source="tier.rank", read_only=True)
    clauses = serializers.SerializerMethodField(help_text=_("开始这一段时的每个条件。"))
    end_clauses = serializers.SerializerMethodField(help_text=_("失去层级时保级线的每个条件。"))

    class Meta:
        model = TierAssignment
        fields = (
            "id",
            "member",
            "member_nickname",
            "scheme",
            "scheme_name",
            "tier",
            "tier_name",
            "tier_rank",
            "cause",
            "clauses",
            "started_at",
            "ended_at",
            "end_cause",
            "end_clauses",
            "below_since",
            "is_locked",
            "locked_by",
            "reason",
        )
        read_only_fields = fields

    @ClauseList
    def get_clauses(self, row: TierAssignment) -> list[dict[str, object]]:
        return self._told(row.clauses)

    @ClauseList
    def get_end_clauses(self, row: TierAssignment) -> list[dict[str, object]]:
        return self._told(row.end_clauses)

    def _told(self, clauses: list[dict[str, object]]) -> list[dict[str, object]]:
        names: Names = self.context.get("names", {})
        return [{**clause, "text": explain(clause, names=names)} for clause in clauses]


class LockTierSerializer(StrictSerializer):
    member: Any = VisibleRelatedField(queryset=Member.objects.all())
    tier: Any = VisibleRelatedField(queryset=Tier.objects.select_related("scheme"))
    reason = serializers.CharField(max_length=300)


class TierAssignmentFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    member = VisibleModelChoiceFilter(model=Member)
    scheme = VisibleModelChoiceFilter(model=TierScheme)
    tier = VisibleModelChoiceFilter(model=Tier)
    current = filters.BooleanFilter(field_name="ended_at", lookup_expr="isnull")
    below = filters.BooleanFilter(
        field_name="below_since",
        lookup_expr="isnull",
        exclude=True,
        help_text=_("现在低于保级线的。"),
    )
    cause = filters.MultipleChoiceFilter(choices=TierCause.choices)
    is_locked = filters.BooleanFilter()
    started_after = filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="gte")
    started_before = filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="lt")

    class Meta:
        model = TierAssignment
        fields: list[str] = []


class WithNames(GenericViewSet[TierAssignment]):
    """What the clauses of all rows on a page name is looked up once."""

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        if args:
            rows: Iterable[TierAssignment] = args[0] if kwargs.get("many") else [args[0]]
            clauses = chain.from_iterable([*row.clauses, *row.end_clauses] for row in rows)
            enterprise_id = acting_user(self.request).enterprise_id
            names = names_of(clauses, enterprise_id=enterprise_id)
            kwargs["context"] = {**self.get_serializer_context(), "names": names}
        return super().get_serializer(*args, **kwargs)


class TierAssignmentViewSet(
    WithNames,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    VerbViewSet[TierAssignment],
):
    """成员层级：一个成员在一个方案里处于一级的一段时间，和当时的依据。只增不改。"""

    queryset = TierAssignment.objects.none()
    serializer_class = TierAssignmentSerializer
    filterset_class = TierAssignmentFilter
    ordering = ("-id",)
    ordering_fields = ("id", "started_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "lock": MANAGE,
        "unlock": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[TierAssignment]:
        rows = TierAssignment.objects.visible_to(acting_user(self.request))
        return rows.select_related("member", "scheme", "tier").fetch_mode(models.FETCH_RAISE)

    @command(
        body=LockTierSerializer,
        answer=TierAssignmentSerializer,
        code=status.HTTP_201_CREATED,
        detail=False,
    )
    def lock(self, request: Request) -> Response:
        """把成员定在一级并锁定：核算不再改变它，直到解除锁定。"""
        return self.run_create(lock_tier, body=LockTierSerializer)

    @command()
    def unlock(self, request: Request, pk: str) -> Response:
        """解除锁定并立即核算。答复是成员现在的层级；不够格的按宽限期处理。"""
        return self.run_verb(unlock_tier)


class MemberTiersViewSet(WithNames, VerbViewSet[TierAssignment]):
    """一位成员的层级。"""

    queryset = TierAssignment.objects.none()
    serializer_class = TierAssignmentSerializer
    required_capabilities: ClassVar[dict[str, Required]] = {"retier": MANAGE}

    def get_queryset(self) -> models.QuerySet[TierAssignment]:
        rows = TierAssignment.objects.visible_to(acting_user(self.request))
        return rows.select_related("member", "scheme", "tier").fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=None, responses=TierAssignmentSerializer(many=True))
    def retier(self, request: Request, pk: str) -> Response:
        """立即核算这位成员，不等到夜里。答复是现在在各方案里的层级。"""
        member = get_object_or_404(Member.objects.visible_to(acting_user(request)), pk=pk)
        self.body(EmptySerializer)
        retier_member(member.pk)
        rows = self.get_queryset().filter(member=member, ended_at=None)
        return Response(self.get_serializer(list(rows.order_by("scheme")), many=True).data)


class TieringRunSerializer(StrictModelSerializer[TieringRun]):
    class Meta:
        model = TieringRun
        fields = (
            "day",
            "member_count",
            "promoted_count",
            "demoted_count",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields


class TierShareSerializer(serializers.Serializer[Any]):
    tier = serializers.IntegerField(source="tier.pk")
    name = serializers.CharField(source="tier.name")
    rank = serializers.IntegerField(source="tier.rank")
    member_count = serializers.IntegerField()
    below_count = serializers.IntegerField(help_text=_("其中现在低于保级线、在宽限期内的。"))


class DistributionSerializer(serializers.Serializer[Any]):
    tiers = TierShareSerializer(many=True, help_text=_("从高到低。"))
    promoted = serializers.IntegerField(help_text=_("最近 30 天升级的次数。"))
    demoted = serializers.IntegerField(help_text=_("最近 30 天降级的次数。"))
    last_run = TieringRunSerializer(
        allow_null=True, help_text=_("最近一次全体核算；还没有则为 null。")
    )


class TierSchemeFiguresViewSet(VerbViewSet[TierScheme]):
    """分层方案里成员的分布，和全体核算。"""

    queryset = TierScheme.objects.none()
    required_capabilities: ClassVar[dict[str, Required]] = {
        "distribution": VIEW,
        "retier": Capability.MANAGE_COMMUNITIES,
    }

    def get_queryset(self) -> models.QuerySet[TierScheme]:
        return TierScheme.objects.visible_to(acting_user(self.request))

    @extend_schema(responses=DistributionSerializer)
    def distribution(self, request: Request, pk: str) -> Response:
        """各级现有人数，最近 30 天的升降，和最近一次核算。"""
        return Response(self.figures(self.get_object()))

    @extend_schema(request=None, responses={202: DistributionSerializer})
    def retier(self, request: Request, pk: str) -> Response:
        """立即核算所有成员，不等到夜里。进展看 last_run。"""
        scheme = self.get_object()
        self.body(EmptySerializer)
        request_tiering(scheme.pk, actor=acting_user(request))
        return Response(self.figures(scheme), status=status.HTTP_202_ACCEPTED)

    def figures(self, scheme: TierScheme) -> dict[str, Any]:
        found = tier_distribution(scheme, now=timezone.now())
        shown = {
            "tiers": found.tiers,
            "promoted": found.promoted,
            "demoted": found.demoted,
            "last_run": last_run(scheme),
        }
        return dict(DistributionSerializer(shown).data)
