from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from communities.api.classified_as import ClassifiedAsFilter
from communities.models import ClassificationAxis, ClassificationValue, Community
from communities.rules.tree import MAX_DEPTH
from members.models import Member, MemberClassification
from members.rules.standing import ClassificationSource
from members.selectors.classification import (
    MAX_AXES,
    Report,
    classification_report,
    having_one_of,
)
from members.services.classifying import end_classification, grant_classification
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter, refuse_unknown
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_MEMBERS, Capability.MANAGE_MEMBERS
CODE = r"[-a-zA-Z0-9_]{1,60}"


class MemberClassifiedAs(ClassifiedAsFilter):
    def having_one_of(self, rows: Any, value_ids: frozenset[int]) -> Any:
        return having_one_of(rows, value_ids, now=timezone.now())


class MemberClassificationSerializer(StrictModelSerializer[MemberClassification]):
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)
    axis = serializers.CharField(source="value.axis.code", read_only=True)
    axis_name = serializers.CharField(source="value.axis.name", read_only=True)
    value_name = serializers.CharField(source="value.name", read_only=True)

    class Meta:
        model = MemberClassification
        fields = (
            "id",
            "member",
            "member_nickname",
            "axis",
            "axis_name",
            "value",
            "value_name",
            "source",
            "granted_by",
            "granted_at",
            "expires_at",
            "ended_at",
        )


class ClassifyBodySerializer(StrictSerializer):
    member: Any = VisibleRelatedField(queryset=Member.objects.all())
    value: Any = VisibleRelatedField(queryset=ClassificationValue.objects.select_related("axis"))
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text=gettext_lazy("不填表示一直有效。")
    )


class MemberClassificationFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    member = VisibleModelChoiceFilter(model=Member)
    value = VisibleModelChoiceFilter(model=ClassificationValue)
    axis = VisibleModelChoiceFilter(model=ClassificationAxis, field_name="value__axis")
    source = filters.MultipleChoiceFilter(choices=ClassificationSource.choices)
    in_force = filters.BooleanFilter(
        method="in_force_now", help_text=gettext_lazy("此刻有效：没有结束，也没有到期。")
    )

    class Meta:
        model = MemberClassification
        fields: list[str] = []

    def in_force_now(
        self, rows: models.QuerySet[MemberClassification], name: str, value: bool
    ) -> models.QuerySet[MemberClassification]:
        now_in = MemberClassification.objects.in_force(timezone.now()).values("pk")
        return rows.filter(pk__in=now_in) if value else rows.exclude(pk__in=now_in)


class MemberClassificationViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[MemberClassification]
):
    """成员分类：哪位成员从何时到何时有哪个分类值，依据是什么。结束的时段一直保留。"""

    queryset = MemberClassification.objects.none()
    serializer_class = MemberClassificationSerializer
    filterset_class = MemberClassificationFilter
    ordering = ("-id",)
    ordering_fields = ("id", "granted_at", "expires_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "end": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[MemberClassification]:
        rows = MemberClassification.objects.visible_to(acting_user(self.request))
        return rows.select_related("member", "value__axis").fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=ClassifyBodySerializer, responses={201: MemberClassificationSerializer})
    def create(self, request: Request) -> Response:
        """人工归类。单选维度上会替换同级或更弱来源的值；凭证认定的值不会被替换。"""
        verb = partial(grant_classification, source=ClassificationSource.OPERATOR)
        return self.run_create(verb, body=ClassifyBodySerializer)

    @command()
    def end(self, request: Request, pk: str) -> Response:
        """从现在起不再属于这个分类。规则给出的分类由规则收回。"""
        return self.run_verb(end_classification)


class ReportQuerySerializer(serializers.Serializer[Any]):
    axes = serializers.RegexField(rf"^{CODE}(,{CODE}){{0,{MAX_AXES - 1}}}\Z", required=False)
    community = serializers.RegexField(rf"^{CODE}\Z", required=False)
    level = serializers.IntegerField(required=False, min_value=1, max_value=MAX_DEPTH)


class ReportAxisSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()
    is_exclusive = serializers.BooleanField()


class ReportValueSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()


class ReportRowSerializer(serializers.Serializer[Any]):
    values = serializers.ListField(
        child=ReportValueSerializer(allow_null=True),
        help_text=gettext_lazy("依 axes 的次序每个维度一个值；null 表示未分类。"),
    )
    member_count = serializers.IntegerField()


class ClassificationReportSerializer(serializers.Serializer[Any]):
    axes = ReportAxisSerializer(many=True)
    combinations = ReportRowSerializer(
        many=True, help_text=gettext_lazy("人数从多到少，每种组合一行。")
    )
    member_count = serializers.IntegerField(
        help_text=gettext_lazy("总人数，每人只算一次。多选维度上一人可在几行里，各行之和会更大。")
    )
    is_complete = serializers.BooleanField(
        help_text=gettext_lazy("超过一万种组合时只列人数最多的，这里为 false。")
    )
    as_of = serializers.DateTimeField()


class ClassificationReportView(APIView):
    """按分类统计成员：一到三个维度的每种组合各有多少人。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"get": VIEW}

    @extend_schema(
        responses=ClassificationReportSerializer,
        parameters=[
            OpenApiParameter(
                "axes",
                str,
                description=gettext_lazy("维度代码，逗号分隔，最多三个；不填用最早建的维度。"),
            ),
            OpenApiParameter(
                "community", str, description=gettext_lazy("只统计现在在这个社群里的成员。")
            ),
            OpenApiParameter(
                "level",
                int,
                description=gettext_lazy("下级分类值并入它在这一层的上级；1 是最上层。"),
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        refuse_unknown(request, {"axes", "community", "level"})
        query = ReportQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        report = report_for(acting_user(request), **query.validated_data)
        return Response(ClassificationReportSerializer(report).data)


def report_for(
    user: User, *, axes: str = "", community: str | None = None, level: int | None = None
) -> Report:
    """The report about the members that this user sees."""
    within = None
    if community is not None:
        within = Community.objects.visible_to(user).filter(code=community).first()
        if within is None:
            message = _("没有代码为“%(code)s”的社群。") % {"code": community}
            raise ValidationError({"community": [ErrorDetail(message, "unknown_community")]})
    return classification_report(
        axes_named(user, axes),
        members=Member.objects.visible_to(user),
        now=timezone.now(),
        community=within,
        level=level,
    )


def axes_named(user: User, axes: str) -> list[ClassificationAxis]:
    visible = ClassificationAxis.objects.visible_to(user)
    if not axes:
        return list(visible.order_by("pk")[:1])
    chosen = list(dict.fromkeys(axes.split(",")))
    known = {axis.code: axis for axis in visible.filter(code__in=chosen)}
    if unknown := [code for code in chosen if code not in known]:
        message = _("没有代码为“%(code)s”的分类维度。") % {"code": unknown[0]}
        raise ValidationError({"axes": [ErrorDetail(message, "unknown_axis")]})
    return [known[code] for code in chosen]
