from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from scrm.accounts.api.permissions import SIGNED_IN, Required
from scrm.shared.criteria import METRICS, Operator, ValueType, Window


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
    takes_window = serializers.ChoiceField(choices=[value.value for value in Window])


class MetricListView(APIView):
    """规则里可用的指标：单位、来源、定义、版本、可用的比较和是否带窗口。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"get": SIGNED_IN}

    @extend_schema(responses=MetricSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(MetricSerializer(list(METRICS), many=True).data)
