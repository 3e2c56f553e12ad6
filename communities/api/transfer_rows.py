"""How hand-overs look."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from communities.api.transfer_counts import ItemCountsField, counted_items
from communities.api.transfer_preflight import PreflightSerializer, preflight_data
from communities.models import OwnershipTransfer, TransferItem, TransferNotice
from communities.rules.transfer_actions import ACTIONS, approver_actions, planner_actions
from communities.rules.transfer_notice_words import totals
from communities.rules.transfers import ItemState, NoticeState, Route, Subject
from communities.services.transfers.planning import preflight_of
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.wecom.rules.limits import RETURN_DAYS


class ReceiverSerializer(StrictModelSerializer[Staff]):
    class Meta:
        model = Staff
        fields = ("id", "name", "external_id", "is_active")


class OwnershipTransferSerializer(StrictModelSerializer[OwnershipTransfer]):
    receivers = ReceiverSerializer(many=True, read_only=True, help_text=_("空表示按转让规则。"))
    created_by_name = serializers.CharField(
        source="created_by.username", read_only=True, default=""
    )
    planned_by_name = serializers.CharField(
        source="planned_by.username", read_only=True, default=""
    )
    approved_by_name = serializers.CharField(
        source="approved_by.username", read_only=True, default=""
    )
    counts = ItemCountsField(help_text=_("明细按对象和状态的条数；逐条见 transfer-items。"))
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事，就是下面各个动作的名称。")
    )

    class Meta:
        model = OwnershipTransfer
        fields: tuple[str, ...] = (
            "id",
            "case",
            "return_of",
            "status",
            "needs_approval",
            "reason",
            "message",
            "receivers",
            "rejection",
            "counts",
            "created_by",
            "created_by_name",
            "planned_by",
            "planned_by_name",
            "approved_by",
            "approved_by_name",
            "created_at",
            "preflighted_at",
            "submitted_at",
            "approved_at",
            "closed_at",
            "available_actions",
        )

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=ACTIONS)))
    def get_available_actions(self, transfer: Any) -> list[str]:
        user = self.context["request"].user
        states: Counter[str] = Counter()
        for each in transfer.counts:
            states[each["state"]] += each["count"]
        allowed: list[str] = []
        if user.can(Capability.TRANSFER_OWNERSHIP):
            allowed += planner_actions(transfer.status, states, may_return=transfer.may_be_returned)
        if user.can(Capability.APPROVE_TRANSFERS):
            is_author = user.pk in {transfer.created_by_id, transfer.planned_by_id}
            allowed += approver_actions(transfer.status, states, is_author=is_author)
        return sorted(allowed, key=ACTIONS.index)


class NoticeCountSerializer(serializers.Serializer[Any]):
    """有多少条通知。"""

    state = serializers.ChoiceField(choices=NoticeState.choices)
    count = serializers.IntegerField()


class OwnershipTransferDetailSerializer(OwnershipTransferSerializer):
    preflight = serializers.SerializerMethodField(
        help_text=_("按最近一次预检：谁会得到多少、哪些不能转、额度要几天。")
    )
    notices = serializers.SerializerMethodField(
        help_text=_("通知双方的应用消息，按状态；逐条见 transfer-notices。")
    )

    class Meta(OwnershipTransferSerializer.Meta):
        fields = (*OwnershipTransferSerializer.Meta.fields, "preflight", "notices")

    @extend_schema_field(PreflightSerializer)
    def get_preflight(self, transfer: OwnershipTransfer) -> Any:
        return preflight_data(preflight_of(transfer))

    @extend_schema_field(NoticeCountSerializer(many=True))
    def get_notices(self, transfer: OwnershipTransfer) -> Any:
        states = transfer.notices.order_by("state").values("state")
        return list(states.annotate(count=models.Count("pk")))


def with_items_counted(
    transfers: models.QuerySet[OwnershipTransfer],
) -> models.QuerySet[OwnershipTransfer]:
    """Hand-overs with everything that a row tells of them."""
    returnable = TransferItem.objects.filter(
        transfer=models.OuterRef("pk"),
        subject=Subject.CHAT,
        route=Route.ON_JOB,
        state=ItemState.VERIFIED,
        chat__owner=models.F("receiver"),
        verified_at__gte=Now() - timedelta(days=RETURN_DAYS),
    )
    return (
        transfers.annotate(
            counts=counted_items(transfer=models.OuterRef("pk")),
            may_be_returned=models.Exists(returnable),
        )
        .select_related("created_by", "planned_by", "approved_by")
        .prefetch_related(models.Prefetch("receivers", Staff.objects.order_by("pk")))
    )


class TransferNoticeSerializer(StrictModelSerializer[TransferNotice]):
    staff_name = serializers.CharField(source="staff.name", read_only=True)
    chats = serializers.SerializerMethodField()
    customers = serializers.SerializerMethodField()
    communities = serializers.SerializerMethodField()

    class Meta:
        model = TransferNotice
        fields = (
            "id",
            "transfer",
            "staff",
            "staff_name",
            "role",
            "chats",
            "customers",
            "communities",
            "state",
            "words",
            "created_at",
            "sent_at",
        )

    def get_chats(self, notice: TransferNotice) -> int:
        return totals(notice.counts).get(Subject.CHAT, 0)

    def get_customers(self, notice: TransferNotice) -> int:
        return totals(notice.counts).get(Subject.CUSTOMER, 0)

    def get_communities(self, notice: TransferNotice) -> int:
        return totals(notice.counts).get(Subject.COMMUNITY, 0)
