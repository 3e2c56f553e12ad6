from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers

from members.models import Follow, Member
from members.rules.status import FollowEnd
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.shared.api.verbs import VerbViewSet

VIEW = Capability.VIEW_MEMBERS


class FollowSerializer(StrictModelSerializer[Follow]):
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)
    staff_name = serializers.CharField(source="staff.name", read_only=True)

    class Meta:
        model = Follow
        fields = (
            "id",
            "member",
            "member_nickname",
            "staff",
            "staff_name",
            "channel_account",
            "external_userid",
            "is_mutual",
            "remark",
            "add_way",
            "state",
            "began_at",
            "began_confidence",
            "seen_at",
            "ended_at",
            "end_reason",
            "end_confidence",
        )


class FollowFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    member = VisibleModelChoiceFilter(model=Member)
    staff = VisibleModelChoiceFilter(model=Staff)
    open = filters.BooleanFilter(field_name="ended_at", lookup_expr="isnull")
    is_mutual = filters.BooleanFilter()
    end_reason = filters.MultipleChoiceFilter(choices=FollowEnd.choices)

    class Meta:
        model = Follow
        fields: list[str] = []


class FollowViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Follow]):
    """跟进关系：一位员工与一位客户互为联系人的一段时间。来自企业微信，只增不删。"""

    queryset = Follow.objects.none()
    serializer_class = FollowSerializer
    filterset_class = FollowFilter
    ordering = ("-id",)
    ordering_fields = ("id", "began_at")
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW, "retrieve": VIEW}

    def get_queryset(self) -> models.QuerySet[Follow]:
        rows = Follow.objects.visible_to(acting_user(self.request))
        return rows.select_related("member", "staff").fetch_mode(models.FETCH_RAISE)
