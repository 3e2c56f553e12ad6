from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from communities.models import SplitBranch, SplitPlan
from members.models import Member, SplitInvitation
from members.rules.standing import OPEN_INVITATION, InvitationStatus
from members.services.inviting_to_split import decline_invitation
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.shared.api.verbs import VerbViewSet, command


class SplitInvitationSerializer(StrictModelSerializer[SplitInvitation]):
    plan = serializers.IntegerField(source="branch.plan_id", read_only=True)
    branch_name = serializers.CharField(source="branch.name", read_only=True)
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事：decline。")
    )

    class Meta:
        model = SplitInvitation
        fields = (
            "id",
            "plan",
            "branch",
            "branch_name",
            "member",
            "member_nickname",
            "status",
            "invited_at",
            "settled_at",
            "available_actions",
        )

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=["decline"])))
    def get_available_actions(self, invitation: SplitInvitation) -> list[str]:
        may_decide = self.context["request"].user.can(Capability.MANAGE_MEMBERS)
        return ["decline"] if may_decide and invitation.status in OPEN_INVITATION else []


class SplitInvitationFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    plan = VisibleModelChoiceFilter(model=SplitPlan, field_name="branch__plan")
    branch = VisibleModelChoiceFilter(model=SplitBranch)
    member = VisibleModelChoiceFilter(model=Member)
    status = filters.MultipleChoiceFilter(choices=InvitationStatus.choices)

    class Meta:
        model = SplitInvitation
        fields: list[str] = []


class SplitInvitationViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[SplitInvitation]
):
    """拆群邀请：每位成员被请去哪个子社群，去了没有。"""

    queryset = SplitInvitation.objects.none()
    serializer_class = SplitInvitationSerializer
    filterset_class = SplitInvitationFilter
    ordering = ("-id",)
    ordering_fields = ("id", "invited_at", "settled_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": Capability.VIEW_MEMBERS,
        "retrieve": Capability.VIEW_MEMBERS,
        "decline": Capability.MANAGE_MEMBERS,
    }

    def get_queryset(self) -> models.QuerySet[SplitInvitation]:
        rows = SplitInvitation.objects.visible_to(acting_user(self.request))
        return rows.select_related("branch", "member").fetch_mode(models.FETCH_RAISE)

    @command()
    def decline(self, request: Request, pk: str) -> Response:
        """成员说不去；以后改变主意仍可加入。"""
        return self.run_verb(decline_invitation)
