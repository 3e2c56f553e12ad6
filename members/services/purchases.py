"""Taking in paid orders: each once, its refund following what the shop last reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.utils.translation import gettext as _

from members.errors import BadSource
from members.rules.purchases import (
    CONFLICT,
    OLDEST_DAYS,
    PaidOrder,
    RawPurchase,
    conflict_message,
    read_purchase,
)
from members.rules.rows import BadRow, Period, Rejection, is_source
from members.services.ingestion import ids_of_members, unknown_member
from members.services.newcomers import create_missing_members
from members.services.staging import copy_lines, escaped, temporary_table
from members.services.tier_marks import ORDERS, mark_tiers_due
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from scrm.accounts.models import User

STAGE_COLUMNS = """
    position integer, member_id bigint, order_number text, paid_at timestamptz,
    paid_amount bigint, refunded_amount bigint, currency text
"""
# A row that is not updated is locked all the same, so what CONTRADICTED reads stays true.
STORE = """
WITH stored AS (
    INSERT INTO members_purchase AS purchase (
        enterprise_id, source, member_id, order_number, paid_at, paid_amount, refunded_amount,
        currency
    )
    SELECT %(enterprise)s, %(source)s, member_id, order_number, paid_at, paid_amount,
           refunded_amount, currency
    FROM purchase_stage ORDER BY order_number
    ON CONFLICT (enterprise_id, source, order_number) DO UPDATE
    SET refunded_amount = EXCLUDED.refunded_amount
    WHERE purchase.refunded_amount < EXCLUDED.refunded_amount
      AND (purchase.member_id, purchase.paid_amount, purchase.currency)
        = (EXCLUDED.member_id, EXCLUDED.paid_amount, EXCLUDED.currency)
    RETURNING (xmax = 0) AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM stored
"""
CONTRADICTED = """
SELECT stage.position, stage.order_number
FROM purchase_stage stage JOIN members_purchase purchase
    ON purchase.enterprise_id = %(enterprise)s AND purchase.source = %(source)s
   AND purchase.order_number = stage.order_number
WHERE (purchase.member_id, purchase.paid_amount, purchase.currency)
   <> (stage.member_id, stage.paid_amount, stage.currency)
"""


@dataclass(frozen=True)
class PurchaseResult:
    """What became of a batch: the four add up to its rows."""

    accepted: int
    updated: int
    duplicates: int
    rejects: Sequence[Rejection]


@dataclass(frozen=True)
class Placed:
    """A well-formed order whose member is known."""

    index: int
    member_id: int
    order: PaidOrder


def record_purchases(
    enterprise: Enterprise,
    rows: Iterable[RawPurchase],
    *,
    source: str,
    now: datetime,
    visible_to: User | None = None,
    create_members: bool = False,
    consent_text: str = "",
) -> PurchaseResult:
    """Take the good rows of a batch and say what is wrong with the others.

    With ``visible_to`` only members whom the user can see exist.

    ``refunded_amount`` is the total refunded so far and only grows: a smaller one is an older
    report that came late, and changes nothing. Member, paid amount and currency of an order never
    change; a report that says otherwise is rejected.
    """
    if not is_source(source):
        raise BadSource(_("数据来源只能由字母、数字、点、连字符和下划线组成，最多 40 个字符。"))
    rejects: list[Rejection] = []
    orders = list(_read(rows, now, rejects))
    row_count = len(orders) + len(rejects)
    if create_members:
        named = {order.member for _index, order in orders}
        create_missing_members(enterprise, named, consent_text=consent_text)
    placed = _merged(_place(enterprise, orders, visible_to, rejects), rejects)
    accepted, updated = _store(enterprise, placed, rejects, source=source) if placed else (0, 0)
    rejects.sort()
    duplicates = row_count - accepted - updated - len(rejects)
    return PurchaseResult(accepted, updated, duplicates, rejects)


def _read(
    rows: Iterable[RawPurchase], now: datetime, rejects: list[Rejection]
) -> Iterator[tuple[int, PaidOrder]]:
    within = Period.before(now, days=OLDEST_DAYS)
    for index, raw in enumerate(rows):
        try:
            yield index, read_purchase(raw, within=within)
        except BadRow as bad:
            rejects.append(Rejection(index, bad.code, bad.message))


def _place(
    enterprise: Enterprise,
    orders: Sequence[tuple[int, PaidOrder]],
    visible_to: User | None,
    rejects: list[Rejection],
) -> Iterator[Placed]:
    external_ids = {order.member for _index, order in orders}
    member_ids = ids_of_members(enterprise, external_ids, visible_to=visible_to)
    for index, order in orders:
        member_id = member_ids.get(order.member)
        if member_id is None:
            rejects.append(Rejection(index, "unknown_member", unknown_member(order.member)))
        else:
            yield Placed(index, member_id, order)


def _merged(placed: Iterable[Placed], rejects: list[Rejection]) -> list[Placed]:
    """One row an order, with the largest refund; what contradicts the first report is rejected."""
    merged: dict[str, Placed] = {}
    for place in placed:
        order = place.order
        known = merged.setdefault(order.order_number, place)
        if order.contradicts(known.order):
            rejects.append(Rejection(place.index, CONFLICT, conflict_message(order.order_number)))
        elif order.refunded_amount > known.order.refunded_amount:
            merged[order.order_number] = place
    return list(merged.values())


def _store(
    enterprise: Enterprise, placed: Sequence[Placed], rejects: list[Rejection], *, source: str
) -> tuple[int, int]:
    values: dict[str, str | int] = {"enterprise": enterprise.pk, "source": source}
    with transaction.atomic(), connection.cursor() as cursor:
        temporary_table(cursor, "purchase_stage", STAGE_COLUMNS)
        copy_lines(cursor, "purchase_stage", _lines(placed))
        cursor.execute(STORE, values)
        accepted, updated = cursor.fetchone()
        cursor.execute(CONTRADICTED, values)
        for index, order_number in cursor.fetchall():
            rejects.append(Rejection(index, CONFLICT, conflict_message(order_number)))
        if accepted or updated:
            members = {place.member_id for place in placed}
            mark_tiers_due(enterprise.pk, members, moved=ORDERS)
    return int(accepted), int(updated)


def _lines(placed: Iterable[Placed]) -> Iterator[str]:
    for place in placed:
        order = place.order
        yield (
            f"{place.index}\t{place.member_id}\t{escaped(order.order_number)}\t"
            f"{order.paid_at.isoformat()}\t{order.paid_amount}\t{order.refunded_amount}\t"
            f"{order.currency}\n"
        )
