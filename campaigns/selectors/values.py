"""What members are worth: what they are expected to buy within a year, and where nobody can say,
what they bought in the last one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F, Sum

from campaigns.rules.alerts import VALUE_DAYS
from members.models import MemberValue, Purchase

CURRENCY = "CNY"


def value_of(member_ids: Sequence[int], *, as_of: datetime) -> int:
    """The expected net purchases of these members together, in 分; for those without an estimate
    their net purchases within the last ``VALUE_DAYS``."""
    if not member_ids:
        return 0
    members = set(member_ids)
    estimated = MemberValue.objects.filter(member__in=members, clv_amount__isnull=False)
    expected = dict(estimated.values_list("member_id", "clv_amount"))
    return sum(amount or 0 for amount in expected.values()) + _bought(
        members - set(expected), as_of=as_of
    )


def _bought(members: set[int], *, as_of: datetime) -> int:
    if not members:
        return 0
    bought = Purchase.objects.filter(
        member__in=members,
        currency=CURRENCY,
        paid_at__gt=as_of - timedelta(days=VALUE_DAYS),
        paid_at__lte=as_of,
    )
    total = bought.aggregate(net=Sum(F("paid_amount") - F("refunded_amount")))
    return int(total["net"] or 0)
