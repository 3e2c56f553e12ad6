from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar, cast

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.viewsets import GenericViewSet

from communities.models import Community
from members.api.batch import (
    MAX_ITEMS,
    BatchResultSerializer,
    BatchSerializer,
    SourceField,
    batch_response,
    items_field,
    placed_back,
    sorted_out,
)
from members.api.import_run import ImportRunSerializer
from members.api.intake import IntakeThrottle, TooMuchWaits
from members.errors import BufferIsFull
from members.models import ActivityEvent, Member, MemberDay
from members.models.import_run import ImportKind
from members.rules.activity import OLDEST_DAYS, ActivityKind, RawEvent
from members.rules.rows import BadRow, Period, read_instant
from members.services.coverage import Covered, extend_coverage
from members.services.imports import MAX_BYTES, hand_in
from members.services.ingestion import ingest_activities
from members.services.reporting_activity import report_activity
from members.tasks import ACTIVITY_BELL
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer

VIEW, INGEST = Capability.VIEW_MEMBERS, Capability.INGEST_ACTIVITY
LARGE_BATCH = 50_000  # items; more than MAX_ITEMS are taken in by a worker
DEDUPE_KEY = 1 + RawEvent._fields.index("dedupe_key")  # behind the source


class ActivityItemSerializer(serializers.Serializer[Any]):
    """Documents an item; ``members.rules.activity`` reads it."""

    member = serializers.CharField(
        max_length=128, required=False, help_text=_("客户编号。和 staff 二选一。")
    )
    staff = serializers.CharField(
        max_length=64, required=False, help_text=_("员工的平台账号（企业微信 userid）。")
    )
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


class ActivityReportSerializer(ActivityItemSerializer):
    """Documents one event with its source."""

    source = SourceField(  # type: ignore[assignment]  # a field, not the base's option
        max_length=40, help_text=_("数据来自哪个系统；去重按来源分开。")
    )


class ActivityTakenSerializer(serializers.Serializer[Any]):
    source = serializers.CharField()  # type: ignore[assignment]  # a field of ours
    dedupe_key = serializers.CharField(help_text=_("用它在 activities 里找到这条。"))


class ActivityBatchSerializer(BatchSerializer):
    items = items_field(ActivityItemSerializer, max_items=LARGE_BATCH)
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
            "staff",
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
    staff = VisibleModelChoiceFilter(model=Staff)
    kind = filters.MultipleChoiceFilter(choices=ActivityKind.choices)
    source = filters.CharFilter()
    dedupe_key = filters.CharFilter()
    occurred_after = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="gte")
    occurred_before = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="lt")

    class Meta:
        model = ActivityEvent
        fields: list[str] = []


class ActivityViewSet(mixins.ListModelMixin, GenericViewSet[ActivityEvent]):
    """活跃事件：成员（或员工）在社群里的每一次发言、点击、打卡等。只增不改。"""

    queryset = ActivityEvent.objects.none()
    serializer_class = ActivityEventSerializer
    filterset_class = ActivityEventFilter
    ordering = ("-occurred_at", "-id")
    ordering_fields = ("occurred_at",)
    max_body_bytes = MAX_BYTES
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "create": INGEST,
        "batch": INGEST,
    }

    def get_throttles(self) -> list[BaseThrottle]:
        return [IntakeThrottle()] if self.action in {"create", "batch"} else super().get_throttles()

    def get_queryset(self) -> models.QuerySet[ActivityEvent]:
        events = ActivityEvent.objects.visible_to(acting_user(self.request))
        return events.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=ActivityReportSerializer, responses={202: ActivityTakenSerializer})
    def create(self, request: Request) -> Response:
        """写入一条活跃事件。先核对，再和别的一起写入，通常一秒内就能查到；回答 202。

        同一来源的同一个 dedupe_key 只计一次，没有收到回答时可以放心重发。写得多时请用批量接口，
        快得多。等待写入的太多时回答 503，请按 Retry-After 再试。
        """
        good, bad = sorted_out([request.data], ("source", *RawEvent._fields))
        if bad:
            raise serializers.ValidationError(bad[0].message, bad[0].code)
        source, *values = good[0].values
        user = acting_user(request)
        try:
            waits = report_activity(
                user.enterprise,
                RawEvent._make(values),
                source=source if isinstance(source, str) else "",
                now=timezone.now(),
                visible_to=user,
            )
        except BufferIsFull as full:
            raise TooMuchWaits from full
        if waits:
            ACTIVITY_BELL.ask()
        answer = {"source": source, "dedupe_key": good[0].values[DEDUPE_KEY]}
        return Response(answer, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        request=ActivityBatchSerializer,
        responses={
            200: BatchResultSerializer,
            202: ImportRunSerializer,
            207: BatchResultSerializer,
        },
    )
    @action(detail=False, methods=["post"])
    def batch(self, request: Request) -> Response:
        """写入一批活跃事件。好的收下，坏的逐条说明；重复提交不会重复计数。

        1000 条以内当场写入：全部收下（或早已收下）回答 200，有任何一条被拒绝回答 207。更多的
        （最多 50000 条、20 MB）先存下、由后台写入：回答 202 和一个导入记录的地址，进度和被拒绝的
        条目在那里看。同样的内容再交一次，得到同一个记录。
        """
        serializer = ActivityBatchSerializer(
            data=request.data, context=self.get_serializer_context()
        )
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        covers = [
            Covered(period["community"], period["covered_from"], period["covered_to"])
            for period in values.get("coverage", [])
        ]
        if len(values["items"]) > MAX_ITEMS:
            return self._large(values, covers)
        extend_coverage(covers, source=values["source"])
        user = acting_user(request)
        good, rejects = sorted_out(values["items"], RawEvent._fields, made=RawEvent._make)
        result = ingest_activities(
            user.enterprise,
            [cast(RawEvent, item.values) for item in good],
            source=values["source"],
            now=timezone.now(),
            visible_to=user,
        )
        counts = {"accepted": result.accepted, "duplicates": result.duplicates}
        return batch_response(counts, [*rejects, *placed_back(good, result.rejects)])

    def _large(self, values: dict[str, Any], covers: list[Covered]) -> Response:
        lines = [
            json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in values["items"]
        ]
        user = acting_user(self.request)
        run = hand_in(
            user.enterprise,
            kind=ImportKind.ACTIVITY,
            source=values["source"],
            content="\n".join([*lines, ""]).encode(),
            file_name="batch.jsonl",
            actor=user,
            covers=covers,
        )
        answer = Response(
            ImportRunSerializer(run, context=self.get_serializer_context()).data,
            status=status.HTTP_202_ACCEPTED,
        )
        path = reverse("import-run-detail", kwargs={"pk": run.pk})
        answer["Location"] = self.request.build_absolute_uri(path)
        return answer


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
