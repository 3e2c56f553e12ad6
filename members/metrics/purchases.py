"""What members bought. Only orders in the enterprise's own currency of which something is left
after refunds."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from members.metrics.measures import Measure, Moment, Rows, Source, local_days_since
from members.models import Purchase
from scrm.shared.criteria import NUMERIC, MetricDefinition, ValueType, Window

CURRENCY = "CNY"
ORDERS = _("订单")


def standing_purchases(moment: Moment) -> Rows:
    rows = Purchase.objects.standing().filter(
        enterprise=moment.enterprise, currency=CURRENCY, paid_at__lte=moment.now
    )
    return rows.values("member_id", "paid_at", "paid_amount", "refunded_amount")


PURCHASES = Source(standing_purchases, time="paid_at")

MEASURES = (
    Measure(
        MetricDefinition(
            name="purchase_count",
            label=_("购买次数"),
            unit=_("次"),
            source=ORDERS,
            definition=_("人民币订单数；全额退款的订单不算，部分退款的算。没有订单记为 0。"),
            version=1,
            value_type=ValueType.COUNT,
            operators=NUMERIC,
            takes_window=Window.OPTIONAL,
        ),
        PURCHASES,
        aggregate="count(*)",
        nothing=0,
    ),
    Measure(
        MetricDefinition(
            name="purchase_amount",
            label=_("购买金额"),
            unit=_("分"),
            source=ORDERS,
            definition=_("人民币订单的实付减退款之和。没有订单记为 0。"),
            version=1,
            value_type=ValueType.MONEY,
            operators=NUMERIC,
            takes_window=Window.OPTIONAL,
        ),
        PURCHASES,
        aggregate="sum(r.paid_amount - r.refunded_amount)",
        nothing=0,
    ),
    Measure(
        MetricDefinition(
            name="days_since_purchase",
            label=_("距上次购买"),
            unit=_("天"),
            source=ORDERS,
            definition=_(
                "距最近一笔未全额退款的人民币订单的天数，当天为 0。从未购买则不满足任何条件。"
            ),
            version=1,
            value_type=ValueType.DAYS,
            operators=NUMERIC,
            takes_window=Window.NEVER,
        ),
        PURCHASES,
        aggregate="max(r.paid_at)",
        reading=local_days_since,
        is_latest=True,
    ),
)
