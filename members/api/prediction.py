from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from communities.models import Community
from members.models import PredictionModel, ScoreCheck
from members.rules.model_notes import note_in_words
from members.rules.predictions import ModelKind, ModelStatus, model_may_become
from members.services.model_registry import activate_model, retire_model
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VERBS = {"activate": ModelStatus.ACTIVE, "retire": ModelStatus.RETIRED}


class PredictionModelSerializer(StrictModelSerializer[PredictionModel]):
    community_name = serializers.CharField(source="community.name", read_only=True, default="")
    parameters = serializers.DictField(read_only=True, help_text=_("系数，可据此复算评分。"))
    figures = serializers.DictField(
        read_only=True, help_text=_("在没有参与训练的最近一期上的核对结果。")
    )
    notes_in_words = serializers.SerializerMethodField(help_text=_("给人看的说明，逐条。"))
    available_actions = serializers.SerializerMethodField(help_text=_("当前用户现在可以做的事。"))

    class Meta:
        model = PredictionModel
        fields = (
            "id",
            "community",
            "community_name",
            "kind",
            "version",
            "status",
            "parameters",
            "figures",
            "notes_in_words",
            "trained_until",
            "row_count",
            "positive_count",
            "created_at",
            "retired_at",
            "chosen_until",
            "available_actions",
        )
        read_only_fields = fields

    def get_notes_in_words(self, model: PredictionModel) -> list[str]:
        return [note_in_words(note) for note in model.notes]

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(sorted(VERBS))))
    def get_available_actions(self, model: PredictionModel) -> list[str]:
        if not self.context["request"].user.can(Capability.MANAGE_SEND_POLICIES):
            return []
        return [verb for verb, to in VERBS.items() if model_may_become(model.status, to)]


class PredictionModelFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    kind = filters.MultipleChoiceFilter(choices=ModelKind.choices)
    status = filters.MultipleChoiceFilter(choices=ModelStatus.choices)

    class Meta:
        model = PredictionModel
        fields: list[str] = []


class PredictionModelViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[PredictionModel]
):
    """预测模型：流失与价值模型的系数、拟合结果和状态。没有社群的是全企业共用的。"""

    queryset = PredictionModel.objects.none()
    serializer_class = PredictionModelSerializer
    filterset_class = PredictionModelFilter
    ordering = ("-id",)
    ordering_fields = ("id",)
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": Capability.VIEW_MEMBERS,
        "retrieve": Capability.VIEW_MEMBERS,
        "activate": Capability.MANAGE_SEND_POLICIES,
        "retire": Capability.MANAGE_SEND_POLICIES,
    }

    def get_queryset(self) -> models.QuerySet[PredictionModel]:
        rows = PredictionModel.objects.visible_to(acting_user(self.request))
        return rows.select_related("community").fetch_mode(models.FETCH_RAISE)

    @command()
    def activate(self, request: Request, pk: str) -> Response:
        """启用：换回较早的模型，或启用候选。此后 28 天每周训练不会换掉它；评分随下一次运行更新。"""
        return self.run_verb(activate_model)

    @command()
    def retire(self, request: Request, pk: str) -> Response:
        """停用：改用全企业的模型；没有时用自带的。此后 28 天每周训练不会启用新的。"""
        return self.run_verb(retire_model)


class ScoreCheckSerializer(StrictModelSerializer[ScoreCheck]):
    community_name = serializers.CharField(source="community.name", read_only=True)
    figures = serializers.DictField(
        read_only=True,
        help_text=_(
            "auc、brier、ece、base_rate、bins（校准）、at_10 与 at_20（风险最高的一成、两成）、"
            "silence_…（只看沉默天数的同样指标）、notice_days（提前天数）。"
        ),
    )

    class Meta:
        model = ScoreCheck
        fields = (
            "id",
            "community",
            "community_name",
            "cut",
            "model_version",
            "is_backtest",
            "scored_count",
            "churned_count",
            "figures",
            "checked_at",
        )
        read_only_fields = fields


class ScoreCheckFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    is_backtest = filters.BooleanFilter()
    cut_after = filters.DateFilter(field_name="cut", lookup_expr="gte")
    cut_before = filters.DateFilter(field_name="cut", lookup_expr="lte")

    class Meta:
        model = ScoreCheck
        fields: list[str] = []


class ScoreCheckViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[ScoreCheck]
):
    """预测核对：每个周一的评分在 28 天后与实际比较的结果；回测是事后按当时的数据补算的。"""

    queryset = ScoreCheck.objects.none()
    serializer_class = ScoreCheckSerializer
    filterset_class = ScoreCheckFilter
    ordering = ("-cut", "-id")
    ordering_fields = ("cut",)
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": Capability.VIEW_MEMBERS,
        "retrieve": Capability.VIEW_MEMBERS,
    }

    def get_queryset(self) -> models.QuerySet[ScoreCheck]:
        rows = ScoreCheck.objects.visible_to(acting_user(self.request))
        return rows.select_related("community").fetch_mode(models.FETCH_RAISE)
