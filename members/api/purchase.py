from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from members.api.batch import (
    BatchResultSerializer,
    BatchSerializer,
    batch_response,
    items_field,
    placed_back,
    sorted_out,
)
from members.models import Member, Purchase
from members.rules.purchases import RawPurchase
from members.services.purchases import record_purchases
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer

VIEW, INGEST = Capability.VIEW_MEMBERS, Capability.INGEST_ACTIVITY


class PurchaseItemSerializer(serializers.Serializer[Any]):
    """Documents an item; ``members.rules.purchases`` reads it."""

    member = serializers.CharField(max_length=128, help_text=_("客户编号。"))
    order_number = serializers.CharField(max_length=128, help_text=_("同一来源里唯一。"))
    paid_at = serializers.DateTimeField(help_text=_("ISO 8601，必须带时区。"))
    paid_amount = serializers.IntegerField(min_value=0, help_text=_("实付，单位分。"))
    refunded_amount = serializers.IntegerField(
        min_value=0, required=False, help_text=_("至今累计退款，单位分；只会变大。")
    )
    currency = serializers.CharField(
        max_length=3, required=False, help_text=_("三个大写字母，默认 CNY。")
    )


class PurchaseBatchSerializer(BatchSerializer):
    items = items_field(PurchaseItemSerializer)


class PurchaseResultSerializer(BatchResultSerializer):
    updated = serializers.IntegerField(help_text=_("退款变大的条数。"))


class PurchaseSerializer(StrictModelSerializer[Purchase]):
    class Meta:
        model = Purchase
        fields = (
            "id",
            "member",
            "source",
            "order_number",
            "paid_amount",
            "refunded_amount",
            "currency",
            "paid_at",
            "received_at",
        )
        read_only_fields = fields


class PurchaseFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    member = VisibleModelChoiceFilter(model=Member)
    source = filters.CharFilter()
    order_number = filters.CharFilter()
    paid_after = filters.IsoDateTimeFilter(field_name="paid_at", lookup_expr="gte")
    paid_before = filters.IsoDateTimeFilter(field_name="paid_at", lookup_expr="lt")

    class Meta:
        model = Purchase
        fields: list[str] = []


class PurchaseViewSet(mixins.ListModelMixin, GenericViewSet[Purchase]):
    """订单：按（来源、订单号）只记一次，退款随最近一次报告增长。"""

    queryset = Purchase.objects.none()
    serializer_class = PurchaseSerializer
    filterset_class = PurchaseFilter
    ordering = ("-paid_at", "-id")
    ordering_fields = ("paid_at",)
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW, "batch": INGEST}

    def get_queryset(self) -> models.QuerySet[Purchase]:
        purchases = Purchase.objects.visible_to(acting_user(self.request))
        return purchases.fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=PurchaseBatchSerializer,
        responses={200: PurchaseResultSerializer, 207: PurchaseResultSerializer},
    )
    @action(detail=False, methods=["post"])
    def batch(self, request: Request) -> Response:
        """写入一批订单。好的收下，坏的逐条说明；重复提交不会重复计数。

        全部收下（或早已收下）回答 200；有任何一条被拒绝回答 207。
        """
        serializer = PurchaseBatchSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = acting_user(request)
        good, rejects = sorted_out(serializer.validated_data["items"], RawPurchase._fields)
        result = record_purchases(
            user.enterprise,
            [RawPurchase(*item.values) for item in good],
            source=serializer.validated_data["source"],
            now=timezone.now(),
            visible_to=user,
        )
        counts = {
            "accepted": result.accepted,
            "updated": result.updated,
            "duplicates": result.duplicates,
        }
        return batch_response(counts, [*rejects, *placed_back(good, result.rejects)])
