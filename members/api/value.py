from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from communities.models import Community
from members.api.prediction import PredictionModelSerializer
from members.models import Member, Membership, MemberValue
from members.rules.rfm import RfmBasis
from members.rules.values import Behaviour, RfmSegment, ValueBand
from members.selectors.value_matrix import Cell, criterion_of, value_matrix
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter, refuse_unknown
from scrm.shared.api.serializers import StrictModelSerializer

VIEW = Capability.VIEW_MEMBERS


class MemberValueSerializer(StrictModelSerializer[MemberValue]):
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)

    class Meta:
        model = MemberValue
        fields = (
            "member",
            "member_nickname",
            "recency",
            "frequency",
            "monetary",
            "segment",
            "behaviour",
            "purchase_days",
            "first_purchase_on",
            "last_purchase_on",
            "spent_amount",
            "spent_year_amount",
            "repeat_amount",
            "last_sign_on",
            "active_days",
            "contribution",
            "alive",
            "expected_purchases",
            "clv_amount",
            "clv_band",
            "model_version",
            "computed_on",
        )
        read_only_fields = fields


class MemberValueFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    member = VisibleModelChoiceFilter(model=Member)
    community = VisibleModelChoiceFilter(model=Community, method="in_community")
    segment = filters.MultipleChoiceFilter(choices=RfmSegment.choices)
    clv_band = filters.MultipleChoiceFilter(choices=ValueBand.choices)
    behaviour = filters.MultipleChoiceFilter(choices=Behaviour.choices)
    min_clv = filters.NumberFilter(field_name="clv_amount", lookup_expr="gte", min_value=0)

    class Meta:
        model = MemberValue
        fields: list[str] = []

    @extend_schema_field(OpenApiTypes.INT)
    def in_community(
        self, rows: models.QuerySet[MemberValue], name: str, community: Community | None
    ) -> models.QuerySet[MemberValue]:
        if community is None:
            return rows
        inside = Membership.objects.active().filter(community=community)
        return rows.filter(member__in=inside.values("member"))


class MemberValueViewSet(mixins.ListModelMixin, GenericViewSet[MemberValue]):
    """成员价值：RFM、行为标签和未来 12 个月的预计消费。没有同意画像的成员不在其中。"""

    queryset = MemberValue.objects.none()
    serializer_class = MemberValueSerializer
    filterset_class = MemberValueFilter
    ordering = ("-member",)
    ordering_fields = {"clv_amount": "clv_amount", "spent_amount": "spent_amount"}
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW}

    def get_queryset(self) -> models.QuerySet[MemberValue]:
        values = MemberValue.objects.visible_to(acting_user(self.request))
        return values.select_related("member").fetch_mode(models.FETCH_RAISE)


class ValueCellSerializer(serializers.Serializer[Any]):
    segment = serializers.ChoiceField(choices=RfmSegment.choices, allow_blank=True)
    clv_band = serializers.ChoiceField(choices=ValueBand.choices)
    behaviour = serializers.ChoiceField(choices=Behaviour.choices)
    member_count = serializers.IntegerField()
    clv_amount = serializers.IntegerField(help_text=_("这些成员的预计价值合计，单位分。"))
    former_count = serializers.IntegerField(help_text=_("cut 那天在这一格的人数。"))
    measured = serializers.IntegerField(
        allow_null=True, help_text=_("其中之后 28 天有数据覆盖、能看出是否活跃的人数。")
    )
    retention = serializers.FloatField(
        allow_null=True, help_text=_("能看出的人里，之后 28 天活跃过的比例。")
    )
    buying = serializers.FloatField(allow_null=True, help_text=_("之后 28 天购买过的比例。"))
    is_few = serializers.BooleanField(help_text=_("人数少于 30，比例仅供参考。"))
    criterion = serializers.SerializerMethodField(
        help_text=_("这一格的条件，可用来建人群包；没有评分的格为 null。")
    )

    @extend_schema_field(serializers.JSONField(allow_null=True))
    def get_criterion(self, cell: Cell) -> dict[str, object] | None:
        return criterion_of(cell)


class ValueMatrixSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateField(
        allow_null=True, help_text=_("按这一天之前的数据算出；null 表示还没有算过。")
    )
    cut = serializers.DateField(
        allow_null=True, help_text=_("留存和复购是这一天在各格的人的；null 表示还不足 28 天。")
    )
    basis = serializers.ChoiceField(
        choices=RfmBasis.choices, help_text=_("R、F、M 按购买还是按活跃。")
    )
    currency = serializers.CharField()
    member_count = serializers.IntegerField()
    unconsented = serializers.IntegerField(help_text=_("没有同意画像、因此没有估值的成员数。"))
    model = PredictionModelSerializer(
        allow_null=True, help_text=_("价值模型；figures.holdout 是用过去检验的结果。")
    )
    cells = ValueCellSerializer(many=True)


class MatrixQuery(serializers.Serializer[Any]):
    community: Any = VisibleRelatedField(queryset=Community.objects.all(), required=False)

    def to_internal_value(self, data: Any) -> Any:
        named = data.get("community", "")
        read = {name: data[name] for name in data}
        if named.isascii() and named.isdecimal() and len(named) < 19:
            read["community"] = int(named)
        return super().to_internal_value(read)


class ValueMatrixView(APIView):
    """价值矩阵：RFM 分群 × 价值档 × 行为标签，每格的人数、价值和 28 天后的留存、复购。"""

    required_capabilities: ClassVar[dict[str, Required]] = {"get": VIEW}

    @extend_schema(
        responses=ValueMatrixSerializer,
        parameters=[OpenApiParameter("community", int, description="只看现在在这个社群里的成员。")],
    )
    def get(self, request: Request) -> Response:
        refuse_unknown(request, {"community"})
        query = MatrixQuery(data=request.query_params.dict(), context={"request": request})
        query.is_valid(raise_exception=True)
        matrix = value_matrix(acting_user(request), **query.validated_data)
        return Response(ValueMatrixSerializer(matrix, context={"request": request}).data)
