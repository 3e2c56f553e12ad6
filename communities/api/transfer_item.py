from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers

from communities.handlers import customer_book
from communities.models import (
    Community,
    GroupChat,
    OwnershipTransfer,
    TransferItem,
    TransferPolicy,
)
from communities.rules.transfer_words import item_words
from communities.rules.transfers import ItemState, Route, Subject
from communities.services.transfers.limits import hand_overs_left
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer
from scrm.shared.api.verbs import VerbViewSet

VIEW = Capability.VIEW_COMMUNITIES


class TransferItemSerializer(StrictModelSerializer[TransferItem]):
    chat_name = serializers.CharField(source="chat.name", read_only=True, default="")
    community_name = serializers.CharField(source="community.name", read_only=True, default="")
    customer_name = serializers.SerializerMethodField(
        help_text=_("客户的称呼；没有“查看成员”的权限时为空。")
    )
    giver_name = serializers.CharField(source="giver.name", read_only=True)
    receiver_name = serializers.CharField(source="receiver.name", read_only=True, default="")
    policy_name = serializers.CharField(source="policy.name", read_only=True, default="")
    words = serializers.SerializerMethodField(
        help_text=_("为什么不能转、在等什么、平台怎么说，怎么办。")
    )
    hand_overs_left = serializers.SerializerMethodField(
        help_text=_("平台 90 天内还允许在职转让几次；已提交的和不是在职转让的为 null。")
    )
    closed_by_name = serializers.CharField(source="closed_by.username", read_only=True, default="")

    class Meta:
        model = TransferItem
        fields = (
            "id",
            "transfer",
            "subject",
            "channel_account",
            "chat",
            "chat_name",
            "community",
            "community_name",
            "external_userid",
            "customer_name",
            "giver",
            "giver_name",
            "receiver",
            "receiver_name",
            "policy",
            "policy_name",
            "selection",
            "state",
            "reason",
            "words",
            "route",
            "hand_overs_left",
            "platform_code",
            "platform_message",
            "attempt_count",
            "due_at",
            "sent_at",
            "accepted_at",
            "takeover_at",
            "verified_at",
            "note",
            "closed_by",
            "closed_by_name",
        )

    def get_customer_name(self, item: TransferItem) -> str:
        names: dict[str, str] = self.context["customer_names"]
        return names.get(item.external_userid, "")

    def get_hand_overs_left(self, item: TransferItem) -> int | None:
        left: dict[int, int] = self.context["hand_overs_left"]
        return left.get(item.pk)

    def get_words(self, item: TransferItem) -> str:
        return item_words(item)


class TransferItemFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    transfer = VisibleModelChoiceFilter(model=OwnershipTransfer)
    subject = filters.MultipleChoiceFilter(choices=Subject.choices)
    state = filters.MultipleChoiceFilter(choices=ItemState.choices)
    route = filters.MultipleChoiceFilter(choices=Route.choices)
    reason = filters.CharFilter(help_text=_("原因代码。"))
    giver = VisibleModelChoiceFilter(model=Staff)
    receiver = VisibleModelChoiceFilter(model=Staff)
    policy = VisibleModelChoiceFilter(model=TransferPolicy)
    chat = VisibleModelChoiceFilter(model=GroupChat)
    community = VisibleModelChoiceFilter(model=Community)
    external_userid = filters.CharFilter()

    class Meta:
        model = TransferItem
        fields: list[str] = []


class TransferItemViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[TransferItem]
):
    """转让明细：一个客户群、一位客户或一个社群，谁转给谁，走到哪一步，平台怎么说。"""

    queryset = TransferItem.objects.none()
    serializer_class = TransferItemSerializer
    filterset_class = TransferItemFilter
    ordering = ("id",)
    ordering_fields = ("id",)
    customer_names: Mapping[str, str] = {}
    hand_overs_left: Mapping[int, int] = {}
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW, "retrieve": VIEW}

    def get_queryset(self) -> models.QuerySet[TransferItem]:
        rows = TransferItem.objects.visible_to(acting_user(self.request))
        return rows.select_related(
            "chat", "community", "giver", "receiver", "policy", "closed_by"
        ).fetch_mode(models.FETCH_RAISE)

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        self.look_up(page or [])
        return page

    def get_object(self) -> TransferItem:
        item = super().get_object()
        self.look_up([item])
        return item

    def get_serializer_context(self) -> dict[str, Any]:
        found = {"customer_names": self.customer_names, "hand_overs_left": self.hand_overs_left}
        return {**super().get_serializer_context(), **found}

    def look_up(self, items: Sequence[TransferItem]) -> None:
        self.customer_names = self.names_on(items)
        self.hand_overs_left = hand_overs_left(items)

    def names_on(self, items: Sequence[TransferItem]) -> Mapping[str, str]:
        """What the customers on a page are called, for those who may know."""
        user = acting_user(self.request)
        userids = sorted({each.external_userid for each in items if each.external_userid})
        if not userids or not user.can(Capability.VIEW_MEMBERS):
            return {}
        return customer_book().names(user.enterprise_id, userids)
