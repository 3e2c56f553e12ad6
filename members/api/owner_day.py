from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers
from rest_framework.viewsets import GenericViewSet

from communities.models import OwnerDay
from members.selectors.owner_days import own_counts
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer


class OwnCountsSerializer(serializers.Serializer[Any]):
    """我们自己的记录里同一天的数；没有数据来源的为 null。"""

    chat_count = serializers.IntegerField()
    new_member_count = serializers.IntegerField()
    member_count = serializers.IntegerField()
    message_count = serializers.IntegerField(
        allow_null=True, help_text=_("只算所有群都属于这位群主的社群。")
    )
    speaker_count = serializers.IntegerField(allow_null=True)
    platform_messages = serializers.IntegerField(
        allow_null=True, help_text=_("平台这一天的消息数：累计减前一天的累计。")
    )


class OwnerDaySerializer(StrictModelSerializer[OwnerDay]):
    own = OwnCountsSerializer(read_only=True)

    class Meta:
        model = OwnerDay
        fields = (
            "id",
            "userid",
            "staff",
            "day",
            "chat_count",
            "new_chat_count",
            "chat_with_messages_count",
            "member_count",
            "new_member_count",
            "speaker_count",
            "message_total",
            "fetched_at",
            "own",
        )
        read_only_fields = fields


class OwnerDayFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    staff = VisibleModelChoiceFilter(model=Staff)
    day_after = filters.DateFilter(field_name="day", lookup_expr="gte")
    day_before = filters.DateFilter(field_name="day", lookup_expr="lt")

    class Meta:
        model = OwnerDay
        fields: list[str] = []


class OwnerDayViewSet(mixins.ListModelMixin, GenericViewSet[OwnerDay]):
    """平台统计：每位群主每天的群、成员和消息数，旁边是我们自己的记录。只有合计，不进成员的活跃。"""

    queryset = OwnerDay.objects.none()
    serializer_class = OwnerDaySerializer
    filterset_class = OwnerDayFilter
    ordering = ("-day", "-id")
    ordering_fields = ("day",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": Capability.VIEW_MEMBERS}

    def get_queryset(self) -> models.QuerySet[OwnerDay]:
        days = OwnerDay.objects.visible_to(acting_user(self.request))
        return days.select_related("connection").fetch_mode(models.FETCH_RAISE)

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        counts = own_counts(page or [])
        for day in page or []:
            day.own = counts[day.pk]
        return page
