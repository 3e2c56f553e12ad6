from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from communities.models import Community
from members.api.batch import (
    BatchResultSerializer,
    BatchSerializer,
    batch_response,
    items_field,
    placed_back,
    sorted_out,
)
from members.models import ActivityEvent, Member, MemberDay
from members.rules.activity import OLDEST_DAYS, ActivityKind, RawEvent
from members.rules.rows import BadRow, Period, read_instant
from members.services.coverage import Covered, extend_coverage
from members.services.ingestion import ingest_activities
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer

VIEW, INGEST = Capability.VIEW_MEMBERS, Capability.INGEST_ACTIVITY


class ActivityItemSerializer(serializers.Serializer[Any]):
    """Documents an item; ``members.rules.activity`` reads it."""

    member = serializers.CharField(max_length=128, help_text=_("客户编号。"))
    community = serializers.CharField(max_length=60, help_text=_("社群代码。"))
    kind = serializers.ChoiceField(ActivityKind.choices)
    occurred_at = serializers.DateTimeField(help_text=_("ISO 8601，必须带时区。"))
    dedupe_key = serializers.CharField(
        max_length=128, help_text=_("同一来源里唯一；同一个键只计一次。")
    )
    thread = serializers.CharField(
        max_length=128, required=False, help_text=_("属于哪个话题或帖子。")
    )


class InstantField(serializers.DateTimeField):
    """An instant with its offset; a time without one is refused rather than guessed at."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            within = Period.before(timezone.now(), days=OLDEST_DAYS)
            return read_instant(value, str(self.field_name), within=within)
        except BadRow as bad:
            raise serializers.ValidationError(bad.message, bad.code) from bad


class CommunityCodeField(serializers.SlugRelatedField[Community]):
    def __init__(self, **options: Any) -> None:
        super().__init__(slug_field="code", queryset=Community.objects.none(), **options)

    def get_queryset(self) -> models.QuerySet[Community]:
        return Community.objects.visible_to(acting_user(self.context["request"]))


class CoverageSerializer(StrictSerializer):
    community = CommunityCodeField(help_text=_("社群代码。"))
    covered_from = InstantField(help_text=_("ISO 8601，必须带时区。"))
    covered_to = InstantField(help_text=_("ISO 8601，必须带时区，不早于 covered_from。"))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["covered_to"] < attrs["covered_from"]:
            message = gettext("covered_to 不能早于 covered_from。")
            raise serializers.ValidationError({"covered_to": message}, "ends_before_it_begins")
        return attrs


class ActivityBatchSerializer(BatchSerializer):
    items = items_field(ActivityItemSerializer)
    coverage = CoverageSerializer(  # type: ignore[call-arg]  # max_length is read by many=True
        many=True,
        required=False,
        max_length=100,
        help_text=_(
            "这个来源在哪些社群、哪段时间一直在监听；没有人说话时靠它区分“沉默”和“没有数据”。"
        ),
    )


class ActivityEventSerializer(StrictModelSerializer[ActivityEvent]):
    class Meta:
        model = ActivityEvent
        fields = (
            "id",
            "member",
            "community",
            "kind",
            "source",
            "dedupe_key",
            "thread",
            "occurred_at",
            "received_at",
        )
        read_only_fields = fields


class ActivityEventFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    member = VisibleModelChoiceFilter(model=Member)
    kind = filters.MultipleChoiceFilter(choices=ActivityKind.choices)
    occurred_after = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="gte")
    occurred_before = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="lt")

    class Meta:
        model = ActivityEvent
        fields: list[str] = []


class ActivityViewSet(mixins.ListModelMixin, GenericViewSet[ActivityEvent]):
    """活跃事件：成员在社群里的每一次发言、点击、打卡等。只增不改。"""

    queryset = ActivityEvent.objects.none()
    serializer_class = ActivityEventSerializer
    filterset_class = ActivityEventFilter
    ordering = ("-occurred_at", "-id")
    ordering_fields = ("occurred_at",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW, "batch": INGEST}

    def get_queryset(self) -> models.QuerySet[ActivityEvent]:
        events = ActivityEvent.objects.visible_to(acting_user(self.request))
        return events.fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=ActivityBatchSerializer,
        responses={200: BatchResultSerializer, 207: BatchResultSerializer},
    )
    @action(detail=False, methods=["post"])
    def batch(self, request: Request) -> Response:
        """写入一批活跃事件。好的收下，坏的逐条说明；重复提交不会重复计数。

        全部收下（或早已收下）回答 200；有任何一条被拒绝回答 207。
        """
        serializer = ActivityBatchSerializer(
            data=request.data, context=self.get_serializer_context()
        )
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        user = acting_user(request)
        extend_coverage(
            [
                Covered(period["community"], period["covered_from"], period["covered_to"])
                for period in values.get("coverage", [])
            ],
            source=values["source"],
        )
        good, rejects = sorted_out(values["items"], RawEvent._fields)
        result = ingest_activities(
            user.enterprise,
            [RawEvent(*item.values) for item in good],
            source=values["source"],
            now=timezone.now(),
            visible_to=user,
        )
        counts = {"accepted": result.accepted, "duplicates": result.duplicates}
        return batch_response(counts, [*rejects, *placed_back(good, result.rejects)])


class MemberDaySerializer(StrictModelSerializer[MemberDay]):
    class Meta:
        model = MemberDay
        fields = (
            "id",
            "member",
            "community",
            "day",
            "message_count",
            "post_count",
            "comment_count",
            "checkin_count",
            "click_count",
            "other_count",
            "thread_count",
        )
        read_only_fields = fields


class MemberDayFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    member = VisibleModelChoiceFilter(model=Member)
    day_from = filters.DateFilter(field_name="day", lookup_expr="gte")
    day_to = filters.DateFilter(field_name="day", lookup_expr="lte")

    class Meta:
        model = MemberDay
        fields: list[str] = []


class MemberDayViewSet(mixins.ListModelMixin, GenericViewSet[MemberDay]):
    """成员日活跃：每位成员在每个社群、每个当地日的次数，始终等于对事件的重新计数。"""

    queryset = MemberDay.objects.none()
    serializer_class = MemberDaySerializer
    filterset_class = MemberDayFilter
    ordering = ("-day", "-id")
    ordering_fields = ("day",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW}

    def get_queryset(self) -> models.QuerySet[MemberDay]:
        days = MemberDay.objects.visible_to(acting_user(self.request))
        return days.fetch_mode(models.FETCH_RAISE)
