"""What members are worth. One place, to be replaced by their expected lifetime value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F, Sum

from campaigns.rules.alerts import VALUE_DAYS
from members.models import Purchase

CURRENCY = "CNY"


def value_of(member_ids: Sequence[int], *, as_of: datetime) -> int:
    """Net purchases of these members within the last ``VALUE_DAYS`` together, in 分."""
    if not member_ids:
        return 0
    bought = Purchase.objects.filter(
        member__in=list(member_ids),
        currency=CURRENCY,
        paid_at__gt=as_of - timedelta(days=VALUE_DAYS),
        paid_at__lte=as_of,
    )
    total = bought.aggregate(net=Sum(F("paid_amount") - F("refunded_amount")))
    return int(total["net"] or 0)
