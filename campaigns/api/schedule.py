from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import Broadcast, Schedule
from campaigns.rules.schedules import DayRule, Festival, ScheduleKind
from campaigns.schedule_words import words_of
from campaigns.selectors.calendar import unknown_years, upcoming_by
from campaigns.services import schedules
from communities.models import Tier
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import EmptySerializer, StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.shared.clock import database_now

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS
RULE = (
    "kind",
    "time_zone",
    "local_time",
    "rrule",
    "festivals",
    "day_offset",
    "member_day",
    "day_rule",
    "tier",
    "silent_days",
    "starts_on",
    "ends_on",
    "max_count",
)
FIELDS = ("id", "broadcast", *RULE, "words", "occurrence_count", "scheduled_at")
MOST = 100_000


class BroadcastScheduleSerializer(StrictModelSerializer[Schedule]):
    scheduled_at = serializers.DateTimeField(
        source="broadcast.scheduled_at",
        read_only=True,
        allow_null=True,
        help_text=_("下一次；还没排期或已经结束时为空。"),
    )
    words = serializers.SerializerMethodField(help_text=_("一句话说明，例如：每周一、周四 10:00。"))

    class Meta:
        model = Schedule
        fields = FIELDS

    def get_words(self, schedule: Schedule) -> str:
        return words_of(schedule)


class ScheduleDetailSerializer(BroadcastScheduleSerializer):
    next_times = serializers.SerializerMethodField(help_text=_("接下来的五次。"))
    unknown_years = serializers.SerializerMethodField(
        help_text=_("这些年的调休安排还不知道，暂按周末和法定节日计算。")
    )

    class Meta:
        model = Schedule
        fields = (*FIELDS, "next_times", "unknown_years")

    @extend_schema_field(serializers.ListField(child=serializers.DateTimeField()))
    def get_next_times(self, schedule: Schedule) -> list[Any]:
        instant = serializers.DateTimeField()
        return [instant.to_representation(at) for at in times_of(schedule)]

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_unknown_years(self, schedule: Schedule) -> list[int]:
        return unknown_years(schedule.broadcast, times_of(schedule), schedule)


def times_of(schedule: Schedule) -> list[datetime]:
    return upcoming_by(schedule.broadcast, schedule, now=database_now())


class EditScheduleSerializer(StrictSerializer):
    """没有写的保持原样；换了方式，只属于原来方式的内容会清空。"""

    kind = serializers.ChoiceField(choices=ScheduleKind.choices)
    local_time = serializers.TimeField(help_text=_("时区里的钟点，例如 10:00。"))
    time_zone = serializers.CharField(max_length=64, required=False)
    rrule = serializers.CharField(
        max_length=300,
        required=False,
        allow_blank=True,
        help_text=_("RFC 5545，例如 FREQ=WEEKLY;BYDAY=MO,TH。"),
    )
    festivals: Any = serializers.ListField(
        child=serializers.ChoiceField(choices=Festival.choices),
        required=False,
        max_length=len(Festival),
    )
    day_offset = serializers.IntegerField(
        min_value=-60, max_value=60, required=False, help_text=_("-1 表示前一天。")
    )
    member_day = serializers.IntegerField(
        min_value=1, max_value=31, required=False, allow_null=True
    )
    day_rule = serializers.ChoiceField(choices=DayRule.choices, required=False)
    tier: Any = VisibleRelatedField(queryset=Tier.objects.all(), required=False, allow_null=True)
    silent_days = serializers.IntegerField(
        min_value=1, max_value=365, required=False, allow_null=True
    )
    starts_on = serializers.DateField(required=False, allow_null=True)
    ends_on = serializers.DateField(required=False, allow_null=True)
    max_count = serializers.IntegerField(
        min_value=1, max_value=MOST, required=False, allow_null=True
    )


class ScheduleBodySerializer(EditScheduleSerializer):
    broadcast: Any = VisibleRelatedField(queryset=Broadcast.objects.all())


class SchedulePreviewSerializer(serializers.Serializer[Any]):
    next_times = serializers.ListField(child=serializers.DateTimeField())
    unknown_years = serializers.ListField(
        child=serializers.IntegerField(),
        help_text=_("这些年的调休安排还不知道，暂按周末和法定节日计算。"),
    )


class ScheduleFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    broadcast = VisibleModelChoiceFilter(model=Broadcast)
    kind = filters.MultipleChoiceFilter(choices=ScheduleKind.choices)

    class Meta:
        model = Schedule
        fields: list[str] = []


class BroadcastScheduleViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Schedule]
):
    """群发的排期：按规则、节日、会员日重复，或由成员的事实触发。没有排期的群发只发一次。

    "沉默"指某天之后没有任何活跃迹象，而且成员所在的社群里至少有一个从那天起一直有活跃数据覆盖；
    没有数据的社群里，没有人算沉默。
    """

    queryset = Schedule.objects.none()
    serializer_class = BroadcastScheduleSerializer
    filterset_class = ScheduleFilter
    ordering = ("-id",)
    ordering_fields = ("id",)
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": COMPOSE,
        "partial_update": COMPOSE,
        "destroy": COMPOSE,
        "preview": VIEW,
        "end": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[Schedule]:
        rows = Schedule.objects.visible_to(acting_user(self.request))
        parts = rows.select_related("broadcast__enterprise", "tier")
        return parts.fetch_mode(models.FETCH_RAISE)

    def get_serializer_class(self) -> Any:
        if self.action in {"list", "metadata"}:
            return BroadcastScheduleSerializer
        return ScheduleDetailSerializer

    @extend_schema(request=ScheduleBodySerializer, responses={201: ScheduleDetailSerializer})
    def create(self, request: Request) -> Response:
        """给草稿定排期；已有的会改成这样。时间由批准后的“排期”开始算。"""
        body = self.body(ScheduleBodySerializer)
        broadcast = body.pop("broadcast")
        schedule = schedules.set_schedule(broadcast.pk, actor=acting_user(request), **body)
        return self.answer(schedule, code=status.HTTP_201_CREATED)

    @extend_schema(request=EditScheduleSerializer, responses=ScheduleDetailSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """只有草稿的排期可以修改。"""
        schedule = self.get_object()
        body = self.body(EditScheduleSerializer, partial=True)
        changed = schedules.set_schedule(schedule.broadcast_id, actor=acting_user(request), **body)
        return self.answer(changed)

    def destroy(self, request: Request, pk: str) -> Response:
        """只有草稿可以：改回只发一次。"""
        schedules.clear_schedule(self.get_object().broadcast_id, actor=acting_user(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @command(body=EditScheduleSerializer, answer=SchedulePreviewSerializer, detail=False)
    def preview(self, request: Request) -> Response:
        """这样的排期接下来的五次；不写任何数据。"""
        body = self.body(EditScheduleSerializer)
        preview = schedules.preview_schedule(actor=acting_user(request), **body)
        return Response(SchedulePreviewSerializer(preview).data)

    @command(answer=ScheduleDetailSerializer)
    def end(self, request: Request, pk: str) -> Response:
        """以后不再发生；已经开始的照常发完。"""
        schedule = self.get_object()
        self.body(EmptySerializer)
        schedules.end_schedule(schedule.broadcast_id, actor=acting_user(request))
        return self.answer(schedule)
