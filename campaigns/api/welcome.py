from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from campaigns.models import WelcomeDelivery, WelcomePolicy
from campaigns.rules.status import WelcomeStatus
from campaigns.services.welcoming import create_welcome_policy, edit_welcome_policy
from communities.models import Community
from members.models import Member
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS
VARIABLES = _("可用变量：{{昵称}}、{{社群}}、{{群名}}。")


class WelcomePolicySerializer(StrictModelSerializer[WelcomePolicy]):
    class Meta:
        model = WelcomePolicy
        fields = ("id", "community", "body", "greets_imported", "is_active", "created_at")


class EditWelcomePolicySerializer(StrictSerializer):
    body = serializers.CharField(max_length=2000, help_text=VARIABLES)
    greets_imported = serializers.BooleanField(
        required=False, help_text=_("由导入入群的成员是否也欢迎，默认不。")
    )
    is_active = serializers.BooleanField(required=False)


class CreateWelcomePolicySerializer(EditWelcomePolicySerializer):
    community: Any = VisibleRelatedField(
        queryset=Community.objects.all(),
        required=False,
        allow_null=True,
        help_text=_("留空表示对所有没有专属欢迎语的社群生效。"),
    )


class WelcomePolicyFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    is_active = filters.BooleanFilter()

    class Meta:
        model = WelcomePolicy
        fields: list[str] = []


class WelcomePolicyViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[WelcomePolicy]
):
    """欢迎语：新成员入群后收到什么；社群自己的优先于企业的。"""

    queryset = WelcomePolicy.objects.none()
    serializer_class = WelcomePolicySerializer
    filterset_class = WelcomePolicyFilter
    ordering = ("id",)
    ordering_fields = ("id", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": COMPOSE,
        "partial_update": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[WelcomePolicy]:
        policies = WelcomePolicy.objects.visible_to(acting_user(self.request))
        return policies.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=CreateWelcomePolicySerializer, responses={201: WelcomePolicySerializer})
    def create(self, request: Request) -> Response:
        return self.run_create(create_welcome_policy, body=CreateWelcomePolicySerializer)

    @extend_schema(request=EditWelcomePolicySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """还没发出的欢迎语按新内容发送。"""
        return self.run_verb(edit_welcome_policy, body=EditWelcomePolicySerializer, partial=True)


class WelcomeDeliverySerializer(StrictModelSerializer[WelcomeDelivery]):
    community = serializers.IntegerField(source="stay.membership.community_id", read_only=True)
    member = serializers.IntegerField(source="stay.member_id", read_only=True)
    member_nickname = serializers.CharField(source="stay.member.nickname", read_only=True)

    class Meta:
        model = WelcomeDelivery
        fields = (
            "id",
            "stay",
            "community",
            "member",
            "member_nickname",
            "policy",
            "step",
            "status",
            "reason",
            "attempt_count",
            "planned_at",
            "settled_at",
        )


class WelcomeDeliveryFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=WelcomeStatus.choices)
    community = VisibleModelChoiceFilter(model=Community, field_name="stay__membership__community")
    member = VisibleModelChoiceFilter(model=Member, field_name="stay__member")

    class Meta:
        model = WelcomeDelivery
        fields: list[str] = []


class WelcomeDeliveryViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[WelcomeDelivery]
):
    """每一次入群的欢迎语发得怎样。"""

    queryset = WelcomeDelivery.objects.none()
    serializer_class = WelcomeDeliverySerializer
    filterset_class = WelcomeDeliveryFilter
    ordering = ("-id",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW, "retrieve": VIEW}

    def get_queryset(self) -> models.QuerySet[WelcomeDelivery]:
        welcomes = WelcomeDelivery.objects.visible_to(acting_user(self.request))
        return welcomes.select_related("stay__member", "stay__membership").fetch_mode(
            models.FETCH_RAISE
        )
