"""Whom chats have belonged to, and the changes of owner that our rules forbid."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from communities.models import GroupChat, OwnershipPeriod, OwnershipViolation
from communities.rules.transfers import BrokenRule, OwnershipCause, ViolationStatus
from communities.services.ownership.violations import accept_violation
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, APPROVE = Capability.VIEW_COMMUNITIES, Capability.APPROVE_TRANSFERS


class OwnershipPeriodSerializer(StrictModelSerializer[OwnershipPeriod]):
    chat_name = serializers.CharField(source="chat.name", read_only=True)
    staff_name = serializers.CharField(source="staff.name", read_only=True, default="")
    transfer = serializers.IntegerField(
        source="transfer_item.transfer_id",
        read_only=True,
        default=None,
        allow_null=True,
        help_text=_("经本系统转让得来时：那次转让的编号。"),
    )

    class Meta:
        model = OwnershipPeriod
        fields = (
            "id",
            "chat",
            "chat_name",
            "staff",
            "staff_name",
            "userid",
            "began_at",
            "began_confidence",
            "seen_at",
            "ended_at",
            "cause",
            "transfer",
            "transfer_item",
            "created_at",
        )


class OwnershipPeriodFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    chat = VisibleModelChoiceFilter(model=GroupChat)
    staff = VisibleModelChoiceFilter(model=Staff)
    cause = filters.MultipleChoiceFilter(choices=OwnershipCause.choices)
    open = filters.BooleanFilter(
        field_name="ended_at", lookup_expr="isnull", help_text=_("现在的群主。")
    )

    class Meta:
        model = OwnershipPeriod
        fields: list[str] = []


class OwnershipPeriodViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[OwnershipPeriod]
):
    """群主任期：每个客户群从头到尾属于谁。只读；只有读到的事实会结束一段、开始下一段。"""

    queryset = OwnershipPeriod.objects.none()
    serializer_class = OwnershipPeriodSerializer
    filterset_class = OwnershipPeriodFilter
    ordering = ("-id",)
    ordering_fields = ("id", "began_at")
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW, "retrieve": VIEW}

    def get_queryset(self) -> models.QuerySet[OwnershipPeriod]:
        rows = OwnershipPeriod.objects.visible_to(acting_user(self.request))
        return rows.select_related("chat", "staff", "transfer_item").fetch_mode(models.FETCH_RAISE)


class OwnershipViolationSerializer(StrictModelSerializer[OwnershipViolation]):
    chat_name = serializers.CharField(source="chat.name", read_only=True)
    staff = serializers.IntegerField(
        source="period.staff_id", read_only=True, allow_null=True, help_text=_("新群主。")
    )
    staff_name = serializers.CharField(source="period.staff.name", read_only=True, default="")
    userid = serializers.CharField(source="period.userid", read_only=True)
    began_at = serializers.DateTimeField(source="period.began_at", read_only=True)
    rules = serializers.ListField(
        child=serializers.ChoiceField(choices=BrokenRule.choices), read_only=True
    )
    words = serializers.SerializerMethodField(help_text=_("违反了什么，给人看。"))
    closed_by_name = serializers.CharField(source="closed_by.username", read_only=True, default="")
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事：accept。")
    )

    class Meta:
        model = OwnershipViolation
        fields = (
            "id",
            "chat",
            "chat_name",
            "period",
            "staff",
            "staff_name",
            "userid",
            "began_at",
            "rules",
            "words",
            "status",
            "note",
            "created_at",
            "closed_at",
            "closed_by",
            "closed_by_name",
            "available_actions",
        )

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_words(self, violation: OwnershipViolation) -> list[str]:
        labels = dict(BrokenRule.choices)
        return [str(labels.get(rule, rule)) for rule in violation.rules]

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=["accept"])))
    def get_available_actions(self, violation: OwnershipViolation) -> list[str]:
        may_accept = self.context["request"].user.can(APPROVE)
        return ["accept"] if may_accept and violation.status == ViolationStatus.OPEN else []


class AcceptViolationSerializer(StrictSerializer):
    note = serializers.CharField(max_length=300, help_text=_("为什么认可。"))


class OwnershipViolationFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    chat = VisibleModelChoiceFilter(model=GroupChat)
    staff = VisibleModelChoiceFilter(model=Staff, field_name="period__staff")
    status = filters.MultipleChoiceFilter(choices=ViolationStatus.choices)

    class Meta:
        model = OwnershipViolation
        fields: list[str] = []


class OwnershipViolationViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[OwnershipViolation]
):
    """违规换群主：在平台上看到、而规则不允许的更换。转回，或写明理由认可。"""

    queryset = OwnershipViolation.objects.none()
    serializer_class = OwnershipViolationSerializer
    filterset_class = OwnershipViolationFilter
    ordering = ("-id",)
    ordering_fields = ("id", "created_at", "closed_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "accept": APPROVE,
    }

    def get_queryset(self) -> models.QuerySet[OwnershipViolation]:
        rows = OwnershipViolation.objects.visible_to(acting_user(self.request))
        rows = rows.select_related("chat", "period__staff", "closed_by")
        return rows.fetch_mode(models.FETCH_RAISE)

    @command(body=AcceptViolationSerializer)
    def accept(self, request: Request, pk: str) -> Response:
        """认可这次更换，并写明理由。"""
        return self.run_verb(accept_violation, body=AcceptViolationSerializer)
