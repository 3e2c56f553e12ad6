"""What the verbs of hand-overs take."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from communities.api.fields import VisibleRowsField
from communities.handlers import CustomerOfStaff
from communities.models import Community, GroupChat, TransferItem
from communities.rules.transfers import Subject
from scrm.accounts.models import Staff
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.serializers import StrictSerializer
from scrm.wecom.models import ChannelAccount
from scrm.wecom.rules.limits import MAX_ID, MAX_TRANSFER_MESSAGE

MOST_NAMED = 3000  # of each subject in one request
MOST_ACCOUNTS = 20
MOST_RECEIVERS = 200


class CustomersOfAccountSerializer(StrictSerializer):
    channel_account: Any = VisibleRelatedField(queryset=ChannelAccount.objects.all())
    external_userids: Any = serializers.ListField(
        child=serializers.CharField(max_length=MAX_ID), min_length=1, max_length=MOST_NAMED
    )


class TransferBodySerializer(StrictSerializer):
    chats: Any = VisibleRowsField(
        model=GroupChat, max_length=MOST_NAMED, required=False, help_text=_("由现在的群主转出。")
    )
    communities: Any = VisibleRowsField(
        model=Community, max_length=MOST_NAMED, required=False, help_text=_("换负责人的社群。")
    )
    customers_of: Any = VisibleRelatedField(
        queryset=Staff.objects.all(),
        required=False,
        allow_null=True,
        help_text=_("转这位同事的客户；没有写 customers 时是全部客户。"),
    )
    customers: Any = CustomersOfAccountSerializer(  # type: ignore[call-arg]  # many=True
        many=True,
        required=False,
        max_length=MOST_ACCOUNTS,
        help_text=_("只转 customers_of 的这些客户。"),
    )
    everything_of: Any = VisibleRelatedField(
        queryset=Staff.objects.all(),
        required=False,
        allow_null=True,
        help_text=_("转这位同事的全部：客户群、客户和社群。"),
    )
    receivers: Any = VisibleRowsField(
        model=Staff,
        max_length=MOST_RECEIVERS,
        required=False,
        help_text=_("选了几位就平均分配；不写则按转让规则。"),
    )
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)
    message = serializers.CharField(
        max_length=MAX_TRANSFER_MESSAGE,
        required=False,
        allow_blank=True,
        help_text=_("在职转让客户时客户看到的话；空则用平台默认的话。"),
    )

    def validate_customers(self, groups: list[dict[str, Any]]) -> list[CustomerOfStaff]:
        named = [
            CustomerOfStaff(group["channel_account"].pk, userid)
            for group in groups
            for userid in group["external_userids"]
        ]
        if len(named) > MOST_NAMED:
            message = _("一次最多写 %(most)d 位客户。") % {"most": MOST_NAMED}
            raise ValidationError(message, "max_length")
        return list(dict.fromkeys(named))

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("customers") and values.get("customers_of") is None:
            message = _("写明这些客户现在是谁的。")
            raise ValidationError({"customers_of": [ErrorDetail(str(message), "required")]})
        return values


def items_field(words: Any) -> Any:
    return VisibleRowsField(
        model=TransferItem, max_length=MOST_NAMED, min_length=1, required=False, help_text=words
    )


class ItemsBodySerializer(StrictSerializer):
    items = items_field(_("只对这些明细；不写则对所有可以这样做的。"))


class WaiveItemsSerializer(StrictSerializer):
    items = items_field(_("不再转这些明细；不写则是所有还没有提交给平台的。"))
    reason = serializers.CharField(max_length=300, help_text=_("为什么不转。"))


class AssignReceiverSerializer(StrictSerializer):
    items = items_field(_("只改这些明细；不写则改所有还没有提交给平台的。"))
    receiver: Any = VisibleRelatedField(queryset=Staff.objects.all())


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, help_text=_("为什么。"))


class OptionalReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class ReceiverQuerySerializer(StrictSerializer):
    subject = serializers.ChoiceField(
        choices=Subject.choices, required=False, help_text=_("接手什么，默认是客户群。")
    )
    search = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text=_("姓名或平台账号的一部分。")
    )
