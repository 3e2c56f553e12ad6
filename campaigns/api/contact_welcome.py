from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers
from rest_framework.viewsets import GenericViewSet

from campaigns.models import ContactWelcome
from campaigns.rules.status import WelcomeStatus
from members.models import Member
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer

VIEW = Capability.VIEW_CAMPAIGNS


class ContactWelcomeSerializer(StrictModelSerializer[ContactWelcome]):
    member = serializers.IntegerField(source="follow.member_id", read_only=True)
    member_nickname = serializers.CharField(source="follow.member.nickname", read_only=True)
    staff = serializers.IntegerField(source="follow.staff_id", read_only=True)

    class Meta:
        model = ContactWelcome
        fields = (
            "id",
            "follow",
            "member",
            "member_nickname",
            "staff",
            "policy",
            "status",
            "reason",
            "occurred_at",
            "expires_at",
            "planned_at",
            "settled_at",
        )


class ContactWelcomeFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=WelcomeStatus.choices)
    member = VisibleModelChoiceFilter(model=Member, field_name="follow__member")
    staff = VisibleModelChoiceFilter(model=Staff, field_name="follow__staff")

    class Meta:
        model = ContactWelcome
        fields: list[str] = []


class ContactWelcomeViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[ContactWelcome]
):
    """客户加员工为好友后的欢迎语发得怎样；平台只允许 20 秒内发一次。"""

    queryset = ContactWelcome.objects.none()
    serializer_class = ContactWelcomeSerializer
    filterset_class = ContactWelcomeFilter
    ordering = ("-id",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW, "retrieve": VIEW}

    def get_queryset(self) -> models.QuerySet[ContactWelcome]:
        welcomes = ContactWelcome.objects.visible_to(acting_user(self.request))
        return welcomes.select_related("follow__member").fetch_mode(models.FETCH_RAISE)
