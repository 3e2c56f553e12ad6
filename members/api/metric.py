from __future__ import annotations

from typing import Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from scrm.accounts.api.permissions import SIGNED_IN, Required
from scrm.shared.criteria import (
    LIMITS,
    METRICS,
    MetricDefinition,
    Operator,
    ValueType,
    Window,
)
from scrm.shared.criterion_words import operator_words


class ComparisonSerializer(serializers.Serializer[Any]):
    op = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field, not the base's option


class MetricSerializer(serializers.Serializer[Any]):
    """一个可以写进规则的指标。"""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field, not the base's option
    unit = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # likewise
    definition = serializers.CharField()
    version = serializers.IntegerField()
    value_type = serializers.ChoiceField(choices=[value.value for value in ValueType])
    operators = serializers.ListField(
        child=serializers.ChoiceField(choices=[value.value for value in Operator])
    )
    comparisons = serializers.SerializerMethodField(help_text=_("可用的比较和它们的说法。"))
    takes_window = serializers.ChoiceField(choices=[value.value for value in Window])
    parameter = serializers.CharField(
        allow_null=True,
        help_text=_("可以用 of 限定到哪一种对象；null 表示不能限定。"),
    )
    maximum = serializers.SerializerMethodField(help_text=_("数值的上限；null 表示不是数值。"))
    choices_url = serializers.SerializerMethodField(help_text=_("value 可选的值；null 表示数值。"))
    of_choices_url = serializers.SerializerMethodField(help_text=_("of 可选的值。"))

    @extend_schema_field(ComparisonSerializer(many=True))
    def get_comparisons(self, metric: MetricDefinition) -> list[dict[str, str]]:
        words = operator_words(metric.value_type)
        return [{"op": op.value, "label": words[op]} for op in metric.operators]

    def get_maximum(self, metric: MetricDefinition) -> int | None:
        return LIMITS.get(metric.value_type)

    def get_choices_url(self, metric: MetricDefinition) -> str | None:
        return None if metric.value_type in LIMITS else choices_url(metric, "value")

    def get_of_choices_url(self, metric: MetricDefinition) -> str | None:
        return None if metric.parameter is None else choices_url(metric, "of")


def choices_url(metric: MetricDefinition, part: str) -> str:
    return f"{reverse('criteria-choices')}?metric={metric.name}&part={part}"


class MetricListView(APIView):
    """规则里可用的指标：单位、来源、定义、版本、可用的比较和是否带窗口。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"get": SIGNED_IN}

    @extend_schema(responses=MetricSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(MetricSerializer(list(METRICS), many=True).data)
