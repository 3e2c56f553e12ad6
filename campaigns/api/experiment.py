from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.experiment_words import words_of
from campaigns.models import Broadcast, Experiment, ExperimentArm
from campaigns.rules.designs import FIELDS, ArmDraft
from campaigns.rules.experiments import (
    ExperimentKind,
    ExperimentMetric,
    ExperimentStatus,
    ExperimentUnit,
)
from campaigns.rules.sizes import size_needed
from campaigns.services.evaluating import apply_winner, end_experiment, evaluate_experiment
from campaigns.services.experimenting import (
    abandon_experiment,
    create_experiment,
    edit_experiment,
    remove_experiment,
)
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS
MOST = 32_767


class ExperimentArmSerializer(StrictModelSerializer[ExperimentArm]):
    class Meta:
        model = ExperimentArm
        fields = ("number", "name", "weight", "body", "local_time")


class ArmFiguresSerializer(serializers.Serializer[Any]):
    """到期之前只有人数，没有 value 和 successes。"""

    number = serializers.IntegerField(help_text=_("0 是不发送的对照组。"))
    units = serializers.IntegerField(help_text=_("几位成员、几个群或几天。"))
    people = serializers.IntegerField()
    reached = serializers.IntegerField(help_text=_("送达的人数。"))
    left = serializers.IntegerField(help_text=_("观察时间里自己退出的人数。"))
    value = serializers.FloatField(required=False, help_text=_("比例，或人均的分。"))
    successes = serializers.IntegerField(required=False)
    low = serializers.FloatField(required=False)
    high = serializers.FloatField(required=False)


class ComparedSerializer(serializers.Serializer[Any]):
    """arm 减 against；区间没有尽头时是 null。到期之前没有 p 和 probability。"""

    arm = serializers.IntegerField()
    against = serializers.IntegerField()
    method = serializers.CharField()
    estimate = serializers.FloatField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    p = serializers.FloatField(allow_null=True)
    p_adjusted = serializers.FloatField(allow_null=True, help_text=_("Holm 调整之后。"))
    probability = serializers.FloatField(allow_null=True, help_text=_("arm 更好的可能性。"))


class VerdictSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    is_final = serializers.BooleanField()
    is_by_sequence = serializers.BooleanField(required=False, help_text=_("提前结束的。"))
    winner = serializers.IntegerField(allow_null=True)
    srm_p = serializers.FloatField(allow_null=True, help_text=_("各组大小是否如计划。"))
    arms = ArmFiguresSerializer(many=True)
    comparisons = ComparedSerializer(many=True)
    against_nobody = ComparedSerializer(many=True, help_text=_("和不发送的对照组比。"))
    leaves = ComparedSerializer(many=True, help_text=_("退出的比例。"))
    variance_cut = serializers.FloatField(help_text=_("扣除事前差别后少了多少波动（CUPED）。"))


class ExperimentSerializer(StrictModelSerializer[Experiment]):
    arms = ExperimentArmSerializer(many=True)
    words = serializers.SerializerMethodField(help_text=_("结论，第一句就够用。"))
    result = serializers.SerializerMethodField()

    class Meta:
        model = Experiment
        fields = (
            "id",
            "broadcast",
            *FIELDS,
            "arms",
            "status",
            "starts_on",
            "ends_at",
            "winner",
            "decided_by",
            "words",
            "result",
            "result_at",
            "created_at",
        )

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_words(self, experiment: Experiment) -> list[str]:
        return words_of(experiment)

    @extend_schema_field(VerdictSerializer(allow_null=True))
    def get_result(self, experiment: Experiment) -> Any:
        return experiment.result


class ArmBodySerializer(StrictSerializer):
    name = serializers.CharField(max_length=60)
    weight = serializers.IntegerField(min_value=1, max_value=1000, required=False)
    body = serializers.CharField(
        max_length=4000,
        required=False,
        allow_blank=True,
        help_text=_("比较文案时的文案；空表示用群发的原文。"),
    )
    local_time = serializers.TimeField(
        required=False, allow_null=True, help_text=_("比较发送时间时，企业时区的钟点。")
    )


class EditExperimentSerializer(StrictSerializer):
    kind = serializers.ChoiceField(choices=ExperimentKind.choices)
    unit = serializers.ChoiceField(choices=ExperimentUnit.choices)
    metric = serializers.ChoiceField(choices=ExperimentMetric.choices)
    window_hours = serializers.IntegerField(min_value=1, max_value=MOST, required=False)
    holdout_percent = serializers.IntegerField(min_value=0, max_value=50, required=False)
    planned_days = serializers.IntegerField(min_value=1, max_value=MOST, required=False)
    arms = ArmBodySerializer(many=True, help_text=_("按顺序编号，第 1 组是基准。"))

    def validate_arms(self, arms: list[dict[str, Any]]) -> list[ArmDraft]:
        return [ArmDraft(**{"name": "", **arm}) for arm in arms]


class ExperimentBodySerializer(EditExperimentSerializer):
    broadcast: Any = VisibleRelatedField(queryset=Broadcast.objects.all())


class AbandonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class ApplyWinnerSerializer(StrictSerializer):
    arm = serializers.IntegerField(
        min_value=1, max_value=MOST, required=False, help_text=_("不填就是结果里的胜者。")
    )
    reason = serializers.CharField(
        max_length=300,
        required=False,
        allow_blank=True,
        help_text=_("采用的不是胜者时必填。"),
    )


class SizeQuestionSerializer(StrictSerializer):
    baseline = serializers.FloatField(
        min_value=0, max_value=1, required=False, help_text=_("现在的比例，例如 0.2。")
    )
    deviation = serializers.FloatField(
        min_value=0, required=False, help_text=_("比较金额或各群比例时：标准差。")
    )
    effect = serializers.FloatField(help_text=_("想看出多大的差别，例如 0.05。"))


class SizeSerializer(serializers.Serializer[Any]):
    per_arm = serializers.IntegerField(help_text=_("每组要多少成员（或群）。"))


class ExperimentFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    broadcast = VisibleModelChoiceFilter(model=Broadcast)
    status = filters.MultipleChoiceFilter(choices=ExperimentStatus.choices)
    kind = filters.MultipleChoiceFilter(choices=ExperimentKind.choices)

    class Meta:
        model = Experiment
        fields: list[str] = []


class ExperimentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Experiment]):
    """群发实验：几组文案或几个发送时间，按事先定好的一个指标比较。到期才下结论。"""

    queryset = Experiment.objects.none()
    serializer_class = ExperimentSerializer
    filterset_class = ExperimentFilter
    ordering = ("-id",)
    ordering_fields = ("id", "created_at", "ends_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "sample_size": VIEW,
        "create": COMPOSE,
        "partial_update": COMPOSE,
        "destroy": COMPOSE,
        "evaluate": COMPOSE,
        "end": COMPOSE,
        "abandon": COMPOSE,
        "apply": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[Experiment]:
        return (
            Experiment.objects.visible_to(acting_user(self.request))
            .select_related("broadcast__enterprise")
            .prefetch_related(models.Prefetch("arms", ExperimentArm.objects.order_by("number")))
            .fetch_mode(models.FETCH_RAISE)
        )

    @extend_schema(request=ExperimentBodySerializer, responses={201: ExperimentSerializer})
    def create(self, request: Request) -> Response:
        """给一条草稿群发加上实验；群发第一次发出时开始。"""
        return self.run_create(create_experiment, body=ExperimentBodySerializer)

    @extend_schema(request=EditExperimentSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """群发还是草稿时可以改；开始之后改不了。"""
        return self.run_verb(edit_experiment, body=EditExperimentSerializer, partial=True)

    def destroy(self, request: Request, pk: str) -> Response:
        """取消一个还没开始的实验：群发照旧发给所有人。"""
        remove_experiment(self.get_object().pk, actor=acting_user(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @command()
    def evaluate(self, request: Request, pk: str) -> Response:
        """现在算一次。收件人很多时在后台进行：result_at 先变为 null，有值就是好了。"""
        return self.run_verb(evaluate_experiment)

    @command()
    def end(self, request: Request, pk: str) -> Response:
        """提前结束：只有随时可看的区间已经分出高下时才可以。"""
        return self.run_verb(end_experiment)

    @command(body=AbandonSerializer)
    def abandon(self, request: Request, pk: str) -> Response:
        """放弃，不下结论；之后的发送不再分组。"""
        return self.run_verb(abandon_experiment, body=AbandonSerializer)

    @command(body=ApplyWinnerSerializer)
    def apply(self, request: Request, pk: str) -> Response:
        """采用胜者：重复的群发从下一次起都按这一组发；只发一次的群发记下决定。"""
        return self.run_verb(apply_winner, body=ApplyWinnerSerializer)

    @extend_schema(request=SizeQuestionSerializer, responses=SizeSerializer)
    @action(
        detail=False,
        methods=["post"],
        url_path="sample-size",
        pagination_class=None,
        filter_backends=[],
    )
    def sample_size(self, request: Request) -> Response:
        """要看出这么大的差别，每组要多少成员（把握 80%，错判 5%）。不写任何数据。"""
        return Response({"per_arm": size_needed(**self.body(SizeQuestionSerializer))})
