"""The criterion language for programs: what it is, who meets a criterion, and what it may name."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from communities.api.fields import CriterionField
from communities.models import Community
from members.criteria import CheckResult, check_member, explain, names_of
from members.models import Member
from members.selectors.estimates import Estimate, estimate_criterion
from scrm.accounts.api.permissions import SIGNED_IN, Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.serializers import StrictInput
from scrm.shared.criteria import definition_of
from scrm.shared.criterion_references import REFERENCES, ReferenceKind, reference_names
from scrm.shared.criterion_schema import criterion_schema
from scrm.shared.criterion_words import describe

MOST_CHOICES = 20


class CriterionCheckBodySerializer(StrictInput):
    criterion = CriterionField()
    member = VisibleRelatedField(queryset=Member.objects.select_related("enterprise"))


class CheckedClauseSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(help_text=_("条件在规则里的位置，例如 $.all[0]。"))
    metric = serializers.CharField()
    op = serializers.CharField()
    required = serializers.JSONField(help_text=_("要求的值：整数，或所指对象的代码。"))  # type: ignore[assignment]  # a field, not the base's option
    actual = serializers.JSONField(
        allow_null=True, help_text=_("实际的值；null 表示没有记录，空字符串表示不是。")
    )
    window_days = serializers.IntegerField(allow_null=True)
    of = serializers.CharField(allow_null=True)
    negated = serializers.BooleanField(help_text=_("在“不满足”之下，要求它不成立。"))
    passed = serializers.BooleanField(help_text=_("是否如规则所要求。"))
    missing = serializers.IntegerField(allow_null=True, help_text=_("还差或多了多少。"))
    provisional = serializers.BooleanField(help_text=_("只因待审核的凭证才成立。"))
    text = serializers.CharField(help_text=_("给人看的一句话。"))


class CriterionCheckSerializer(serializers.Serializer[Any]):
    passed = serializers.BooleanField()
    clauses = CheckedClauseSerializer(many=True)


class CriterionCheckView(APIView):
    """一位成员是否满足一个规则：每个条件要求什么、实际多少、还差多少。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"post": Capability.VIEW_MEMBERS}

    @extend_schema(request=CriterionCheckBodySerializer, responses=CriterionCheckSerializer)
    def post(self, request: Request) -> Response:
        body = CriterionCheckBodySerializer(data=request.data, context={"request": request})
        body.is_valid(raise_exception=True)
        check = check_member(**body.validated_data, now=timezone.now())
        return Response({"passed": check.passed, "clauses": _told(check, request)})


def _told(check: CheckResult, request: Request) -> list[dict[str, object]]:
    results = [clause.as_json() for clause in check.clauses]
    names = names_of(results, enterprise_id=acting_user(request).enterprise_id)
    return [{**result, "text": explain(result, names=names)} for result in results]


class CriterionEstimateBodySerializer(StrictInput):
    criterion = CriterionField()
    community = VisibleRelatedField(
        queryset=Community.objects.all(),
        required=False,
        allow_null=True,
        help_text=_("只在这个社群的成员里计算。"),
    )


class SampledMemberSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    nickname = serializers.CharField()


class CriterionEstimateSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text=_("满足规则的人数，只算你能看到的成员。"))
    total = serializers.IntegerField(help_text=_("你能看到的成员总数。"))
    sample = SampledMemberSerializer(many=True, help_text=_("满足规则的成员，最多 10 位。"))
    text = serializers.SerializerMethodField(help_text=_("用一句话写出的规则。"))
    as_of = serializers.DateTimeField()
    cost_ms = serializers.IntegerField(help_text=_("计算用了多少毫秒。"))

    def get_text(self, estimate: Estimate) -> str:
        text: str = self.context["text"]
        return text


class CriterionEstimateView(APIView):
    """满足一个规则的有多少人，并举几个例子。超过 5 秒算不完会被拒绝。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"post": Capability.VIEW_MEMBERS}

    @extend_schema(request=CriterionEstimateBodySerializer, responses=CriterionEstimateSerializer)
    def post(self, request: Request) -> Response:
        body = CriterionEstimateBodySerializer(data=request.data, context={"request": request})
        body.is_valid(raise_exception=True)
        user, criterion = acting_user(request), body.validated_data["criterion"]
        estimate = estimate_criterion(**body.validated_data, user=user, now=timezone.now())
        names = reference_names(criterion.clauses(), enterprise_id=user.enterprise_id)
        text = describe(criterion, names=names)
        return Response(CriterionEstimateSerializer(estimate, context={"text": text}).data)


class ChoicesQuerySerializer(StrictInput):
    metric = serializers.CharField(max_length=60)
    part = serializers.ChoiceField(
        choices=["value", "of"], default="value", help_text=_("为哪个字段选：value 或 of。")
    )
    search = serializers.CharField(max_length=100, default="", allow_blank=True)

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        definition = definition_of(asked["metric"])
        if definition is None:
            message = gettext("没有名为“%(name)s”的指标。") % {"name": asked["metric"]}
            raise ValidationError({"metric": ErrorDetail(message, "unknown_metric")})
        is_value = asked["part"] == "value"
        kind = REFERENCES.get(definition.value_type if is_value else definition.parameter)
        if kind is None:
            message = gettext("这个指标在这里不指明任何对象，没有可选的值。")
            raise ValidationError({"part": ErrorDetail(message, "names_nothing")})
        return {"kind": kind, "search": asked["search"]}


class CriterionChoiceSerializer(serializers.Serializer[Any]):
    value = serializers.CharField(help_text=_("写进规则的代码。"))
    label = serializers.CharField(help_text=_("给人看的名称。"))  # type: ignore[assignment]  # a field, not the base's option


class CriterionChoicesView(APIView):
    """一个指标可以指明的对象：社群、分类值、标签……最多 20 个，按名称或代码查找。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"get": Capability.VIEW_COMMUNITIES}

    @extend_schema(
        parameters=[ChoicesQuerySerializer], responses=CriterionChoiceSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        query = ChoicesQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        kind: ReferenceKind = query.validated_data["kind"]
        search = query.validated_data["search"]
        choices = kind.choices(user=acting_user(request), search=search, limit=MOST_CHOICES)
        return Response(CriterionChoiceSerializer(choices, many=True).data)


class CriterionSchemaView(APIView):
    """规则语言的 JSON Schema（2020-12），随指标表自动生成。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"get": SIGNED_IN}

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response(criterion_schema())
