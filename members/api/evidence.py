from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.viewsets import GenericViewSet

from communities.models import ClassificationValue, Community
from members.models import EntryApplication, Evidence, Member
from members.models.evidence import EvidenceQuerySet
from members.rules.standing import EvidenceStatus
from members.selectors.evidence_address import photo_path
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer


class SameSeenSerializer(serializers.Serializer[Any]):
    """带来同一张照片的另一位成员。"""

    id = serializers.IntegerField()
    nickname = serializers.CharField()


class EvidenceSerializer(StrictModelSerializer[Evidence]):
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)
    value_name = serializers.CharField(source="value.name", read_only=True)
    axis_name = serializers.CharField(source="value.axis.name", read_only=True)
    photo_url = serializers.SerializerMethodField(
        help_text=_("看照片的地址，只给当前用户用，5 分钟有效；每次打开都有记录。")
    )
    seen_count = serializers.IntegerField(
        read_only=True, help_text=_("还有几位成员用过同一张照片；大于 0 时要当心。")
    )
    seen_by = SameSeenSerializer(
        many=True, read_only=True, help_text=_("其中当前用户能看到的，最多 10 位。")
    )

    class Meta:
        model = Evidence
        fields = (
            "id",
            "member",
            "member_nickname",
            "application",
            "value",
            "value_name",
            "axis_name",
            "photo_url",
            "width",
            "height",
            "byte_count",
            "seen_count",
            "seen_by",
            "status",
            "reason",
            "uploaded_at",
            "decided_at",
            "decided_by",
            "classification",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.URLField())
    def get_photo_url(self, evidence: Evidence) -> str:
        request = self.context["request"]
        return str(request.build_absolute_uri(photo_path(evidence.pk, user_id=request.user.pk)))


class EvidenceFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=EvidenceStatus.choices)
    member = VisibleModelChoiceFilter(model=Member)
    application = VisibleModelChoiceFilter(model=EntryApplication)
    community = VisibleModelChoiceFilter(field_name="application__community", model=Community)
    value = VisibleModelChoiceFilter(model=ClassificationValue)
    seen_elsewhere = filters.BooleanFilter(method="with_sightings_only")
    uploaded_after = filters.IsoDateTimeFilter(field_name="uploaded_at", lookup_expr="gte")
    uploaded_before = filters.IsoDateTimeFilter(field_name="uploaded_at", lookup_expr="lt")

    class Meta:
        model = Evidence
        fields: list[str] = []

    def with_sightings_only(
        self, evidence: EvidenceQuerySet, name: str, value: bool
    ) -> EvidenceQuerySet:
        return evidence.seen_elsewhere(seen=value)


class EvidenceViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Evidence]):
    """凭证照片：谁用哪张照片证明什么，审核结果如何，同一张照片还有谁用过。只给审核人员看。"""

    queryset = Evidence.objects.none()
    serializer_class = EvidenceSerializer
    filterset_class = EvidenceFilter
    ordering = ("-id",)
    ordering_fields = ("id", "uploaded_at", "decided_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": Capability.REVIEW_APPLICATIONS,
        "retrieve": Capability.REVIEW_APPLICATIONS,
    }

    def get_queryset(self) -> models.QuerySet[Evidence]:
        user = acting_user(self.request)
        rows = Evidence.objects.visible_to(user).with_sightings(user)
        return rows.select_related("member", "value__axis").fetch_mode(models.FETCH_RAISE)
