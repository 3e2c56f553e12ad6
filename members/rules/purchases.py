"""What a paid order says, and how one is read."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext as _

from members.rules.rows import BadRow, Period, read_amount, read_instant, read_text, shown

OLDEST_DAYS = 30 * 366
AMOUNT_LIMIT = 10**15  # minor units; more is a mistake of the reporter
ORDER_LIMIT = 128
MEMBER_LIMIT = 128
CURRENCY = re.compile(r"[A-Z]{3}")
DEFAULT_CURRENCY = "CNY"


class RawPurchase(NamedTuple):
    """An order as it was reported: nothing about its values is known yet."""

    member: object
    order_number: object
    paid_at: object
    paid_amount: object
    refunded_amount: object = 0
    currency: object = DEFAULT_CURRENCY


class PaidOrder(NamedTuple):
    """A well-formed order. ``refunded_amount`` is the total refunded so far."""

    member: str
    order_number: str
    paid_at: datetime
    paid_amount: int
    refunded_amount: int
    currency: str

    def contradicts(self, other: PaidOrder) -> bool:
        """Whether the two cannot be reports of one order. A refund may come in between."""
        mine = (self.member, self.paid_amount, self.currency)
        return mine != (other.member, other.paid_amount, other.currency)


def read_purchase(raw: RawPurchase, *, within: Period) -> PaidOrder:
    """The order, or ``BadRow``."""
    member = read_text(raw.member, "member", limit=MEMBER_LIMIT)
    order_number = read_text(raw.order_number, "order_number", limit=ORDER_LIMIT)
    paid_at = read_instant(raw.paid_at, "paid_at", within=within)
    paid = read_amount(raw.paid_amount, "paid_amount", limit=AMOUNT_LIMIT)
    refund = raw.refunded_amount
    refunded = (
        0 if refund in ("", None) else read_amount(refund, "refunded_amount", limit=AMOUNT_LIMIT)
    )
    if refunded > paid:
        words = {"paid": paid, "refunded": refunded}
        raise BadRow("refund_above_payment", _("退款 %(refunded)d 超过实付 %(paid)d。") % words)
    return PaidOrder(member, order_number, paid_at, paid, refunded, read_currency(raw.currency))


def read_currency(value: object) -> str:
    if value in ("", None):
        return DEFAULT_CURRENCY
    if not isinstance(value, str) or not CURRENCY.fullmatch(value.strip()):
        words = {"value": shown(value)}
        raise BadRow("bad_currency", _("币种“%(value)s”不是三个大写字母的代码，例如 CNY。") % words)
    return value.strip()


CONFLICT = "order_conflict"


def conflict_message(order_number: str) -> str:
    words = {"number": shown(order_number)}
    return _("订单 %(number)s 已有记录，但成员、实付金额或币种不同。") % words
