from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers
from rest_framework.viewsets import GenericViewSet

from communities.models import Community
from members.models import ChurnScore, Member
from members.rules.churn import RiskBand, reason_in_words
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer


class ChurnScoreSerializer(StrictModelSerializer[ChurnScore]):
    community_name = serializers.CharField(source="community.name", read_only=True)
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)
    reasons_in_words = serializers.SerializerMethodField(help_text=_("给人看的原因，逐条。"))

    class Meta:
        model = ChurnScore
        fields = (
            "id",
            "member",
            "member_nickname",
            "community",
            "community_name",
            "probability",
            "band",
            "reasons",
            "reasons_in_words",
            "last_active_on",
            "scored_on",
            "model_version",
        )
        read_only_fields = fields

    def get_reasons_in_words(self, score: ChurnScore) -> list[str]:
        return [reason_in_words(reason) for reason in score.reasons]


class ChurnScoreFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    member = VisibleModelChoiceFilter(model=Member)
    band = filters.MultipleChoiceFilter(choices=RiskBand.choices)
    min_probability = filters.NumberFilter(
        field_name="probability", lookup_expr="gte", min_value=0, max_value=1
    )
    scored_on = filters.DateFilter()

    class Meta:
        model = ChurnScore
        fields: list[str] = []


class ChurnScoreViewSet(mixins.ListModelMixin, GenericViewSet[ChurnScore]):
    """流失评分：未来 28 天不再出现的概率和原因。没有活跃数据覆盖的社群没有评分。"""

    queryset = ChurnScore.objects.none()
    serializer_class = ChurnScoreSerializer
    filterset_class = ChurnScoreFilter
    ordering = ("-probability", "-id")
    ordering_fields = ("probability",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": Capability.VIEW_MEMBERS}

    def get_queryset(self) -> models.QuerySet[ChurnScore]:
        scores = ChurnScore.objects.visible_to(acting_user(self.request))
        return scores.select_related("community", "member").fetch_mode(models.FETCH_RAISE)
