from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from communities.models import ClassificationValue, PolicyReceiver, Tier, TransferPolicy
from communities.models.transfer_policy import CHOICES
from communities.rules.kinds import CommunityKind
from communities.rules.transfers import Subject
from communities.services.transfers import policies as transfer_policies
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_COMMUNITIES, Capability.TRANSFER_OWNERSHIP
VERBS = ["edit", "deactivate", "reactivate"]
MOST_RECEIVERS = 200
MOST_EACH = 1_000_000


class PolicyReceiverSerializer(StrictModelSerializer[PolicyReceiver]):
    staff_name = serializers.CharField(source="staff.name", read_only=True)
    value_name = serializers.CharField(source="value.name", read_only=True, default="")

    class Meta:
        model = PolicyReceiver
        fields = ("staff", "staff_name", "value", "value_name")


class TransferPolicySerializer(StrictModelSerializer[TransferPolicy]):
    tier_name = serializers.CharField(source="tier.name", read_only=True, default="")
    value_name = serializers.CharField(source="value.name", read_only=True, default="")
    receivers = PolicyReceiverSerializer(many=True, read_only=True)
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事：edit、deactivate、reactivate。")
    )

    class Meta:
        model = TransferPolicy
        fields = (
            "id",
            "name",
            "subject",
            "kind",
            "tier",
            "tier_name",
            "value",
            "value_name",
            "selection",
            "fallback",
            "maximum",
            "needs_approval",
            "receivers",
            "is_active",
            "available_actions",
            "created_at",
        )

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=VERBS)))
    def get_available_actions(self, policy: TransferPolicy) -> list[str]:
        if not self.context["request"].user.can(MANAGE):
            return []
        return ["edit", "deactivate" if policy.is_active else "reactivate"]


class PolicyReceiverBodySerializer(StrictSerializer):
    staff: Any = VisibleRelatedField(queryset=Staff.objects.all())
    value: Any = VisibleRelatedField(
        queryset=ClassificationValue.objects.select_related("axis"),
        required=False,
        allow_null=True,
        help_text=_("“按分类指定”时：有这个分类（含下级）的社群给这位同事。"),
    )


class EditTransferPolicySerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(
        choices=CommunityKind.choices,
        required=False,
        allow_blank=True,
        help_text=_("只用于这类社群；空表示不限。"),
    )
    tier: Any = VisibleRelatedField(
        queryset=Tier.objects.select_related("scheme"),
        required=False,
        allow_null=True,
        help_text=_("只用于准入要求这一层级的社群；null 表示不限。"),
    )
    value: Any = VisibleRelatedField(
        queryset=ClassificationValue.objects.select_related("axis"),
        required=False,
        allow_null=True,
        help_text=_("只用于有这个分类（含下级）的社群；null 表示不限。"),
    )
    selection = serializers.ChoiceField(choices=CHOICES, help_text=_("怎样选接手人。"))
    fallback = serializers.ChoiceField(
        choices=CHOICES,
        required=False,
        allow_blank=True,
        help_text=_("找不到时怎样选；空表示由人指定。"),
    )
    maximum = serializers.IntegerField(
        min_value=0,
        max_value=MOST_EACH,
        required=False,
        allow_null=True,
        help_text=_("接手后每人名下最多几个；null 表示不限，0 表示一个也不接。"),
    )
    needs_approval = serializers.BooleanField(required=False, help_text=_("默认需要。"))
    receivers: Any = PolicyReceiverBodySerializer(  # type: ignore[call-arg]  # many=True
        many=True,
        required=False,
        max_length=MOST_RECEIVERS,
        help_text=_("“固定人选”按这个顺序；“按分类指定”每位带一个分类。修改时整个替换。"),
    )

    def validate_receivers(self, rows: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
        return [(row["staff"], row.get("value")) for row in rows]


class TransferPolicyBodySerializer(EditTransferPolicySerializer):
    subject = serializers.ChoiceField(
        choices=Subject.choices, required=False, help_text=_("默认是客户群；之后不能改。")
    )


class TransferPolicyFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    subject = filters.MultipleChoiceFilter(choices=Subject.choices)
    kind = filters.MultipleChoiceFilter(choices=CommunityKind.choices)
    selection = filters.MultipleChoiceFilter(choices=CHOICES)
    is_active = filters.BooleanFilter()

    class Meta:
        model = TransferPolicy
        fields: list[str] = []


class TransferPolicyViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[TransferPolicy]
):
    """转让规则：谁可以接手什么，怎样选人。几条都适用时，条件最多的一条生效。"""

    queryset = TransferPolicy.objects.none()
    serializer_class = TransferPolicySerializer
    filterset_class = TransferPolicyFilter
    ordering = ("id",)
    ordering_fields = ("id", "name", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "deactivate": MANAGE,
        "reactivate": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[TransferPolicy]:
        rows = TransferPolicy.objects.visible_to(acting_user(self.request))
        named = PolicyReceiver.objects.select_related("staff", "value").order_by("pk")
        return (
            rows.select_related("tier", "value")
            .prefetch_related(models.Prefetch("receivers", named))
            .fetch_mode(models.FETCH_RAISE)
        )

    @extend_schema(request=TransferPolicyBodySerializer, responses={201: TransferPolicySerializer})
    def create(self, request: Request) -> Response:
        """新建并立即启用。同样的适用范围只能有一条启用的规则。"""
        return self.run_create(transfer_policies.create_policy, body=TransferPolicyBodySerializer)

    @extend_schema(request=EditTransferPolicySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """修改。已经做好的方案不变，重新预检后才用新规则。"""
        return self.run_verb(
            transfer_policies.edit_policy, body=EditTransferPolicySerializer, partial=True
        )

    @command()
    def deactivate(self, request: Request, pk: str) -> Response:
        """停用；用过它的转让仍记着它。"""
        return self.run_verb(transfer_policies.deactivate_policy)

    @command()
    def reactivate(self, request: Request, pk: str) -> Response:
        """重新启用。"""
        return self.run_verb(transfer_policies.reactivate_policy)
