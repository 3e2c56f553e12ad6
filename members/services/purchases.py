"""Taking in paid orders: each once, its refund following what the shop last reported.

The days of those who bought are added to in the transaction of the orders; a refund is taken off
the day on which its order was paid.
"""

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
from members.services.staging import affected, copy_lines, escaped, temporary_table
from members.services.tier_marks import ORDERS, mark_tiers_due
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from scrm.accounts.models import User

STAGE_COLUMNS = """
    position integer, member_id bigint, order_number text, paid_at timestamptz,
    paid_amount bigint, refunded_amount bigint, currency text
"""
DELTA_COLUMNS = """
    member_id bigint, day date, currency text, order_count integer, standing_count integer,
    net_amount bigint
"""
STORE_NEW = """
WITH stored AS (
    INSERT INTO members_purchase (
        enterprise_id, source, member_id, order_number, paid_at, paid_amount, refunded_amount,
        currency
    )
    SELECT %(enterprise)s, %(source)s, member_id, order_number, paid_at, paid_amount,
           refunded_amount, currency
    FROM purchase_stage ORDER BY order_number
    ON CONFLICT (enterprise_id, source, order_number) DO NOTHING
    RETURNING *
)
INSERT INTO purchase_deltas
SELECT member_id, (paid_at AT TIME ZONE %(zone)s)::date, currency, 1,
       (refunded_amount < paid_amount)::integer, paid_amount - refunded_amount
FROM stored
"""
# Every known order is locked, also one that is not updated: so what CONTRADICTED reads stays true,
# and the refund before is that which the new one replaces.
STORE_REFUNDS = """
WITH known AS MATERIALIZED (
    SELECT purchase.id, purchase.refunded_amount AS refunded_before, stage.refunded_amount
    FROM purchase_stage stage JOIN members_purchase purchase
        ON purchase.enterprise_id = %(enterprise)s AND purchase.source = %(source)s
       AND (purchase.order_number, purchase.member_id, purchase.paid_amount, purchase.currency)
         = (stage.order_number, stage.member_id, stage.paid_amount, stage.currency)
    ORDER BY purchase.order_number
    FOR NO KEY UPDATE OF purchase
), refunded AS (
    UPDATE members_purchase purchase SET refunded_amount = known.refunded_amount
    FROM known
    WHERE purchase.id = known.id AND known.refunded_before < known.refunded_amount
    RETURNING purchase.*, known.refunded_before
)
INSERT INTO purchase_deltas
SELECT member_id, (paid_at AT TIME ZONE %(zone)s)::date, currency, 0,
       (refunded_amount < paid_amount)::integer - (refunded_before < paid_amount)::integer,
       refunded_before - refunded_amount
FROM refunded
"""
# Days of new orders are made first: what a refund takes away can only be added to a row.
MAKE_DAYS = """
INSERT INTO members_purchaseday (enterprise_id, member_id, currency, day, order_count,
                                 standing_count, net_amount)
SELECT DISTINCT %(enterprise)s::bigint, member_id, currency, day, 0, 0, 0
FROM purchase_deltas ORDER BY member_id, currency, day
ON CONFLICT (member_id, currency, day) DO NOTHING
"""
ADD_TO_DAYS = """
WITH summed AS (
    SELECT member_id, currency, day, sum(order_count) AS order_count,
           sum(standing_count) AS standing_count, sum(net_amount) AS net_amount
    FROM purchase_deltas GROUP BY member_id, currency, day
), locked AS MATERIALIZED (
    SELECT kept.id FROM members_purchaseday kept JOIN summed USING (member_id, currency, day)
    ORDER BY member_id, currency, day
    FOR NO KEY UPDATE OF kept
)
UPDATE members_purchaseday kept
SET order_count = kept.order_count + summed.order_count,
    standing_count = greatest(kept.standing_count + summed.standing_count, 0),
    net_amount = kept.net_amount + summed.net_amount
FROM summed
WHERE (kept.member_id, kept.currency, kept.day) = (summed.member_id, summed.currency, summed.day)
  AND kept.id IN (SELECT id FROM locked)
"""
# A day of the past counts anew in the communities that the buyer has ever belonged to.
MARK_LATE_DAYS = """
INSERT INTO members_staleday AS mark (community_id, day)
SELECT DISTINCT membership.community_id, delta.day
FROM purchase_deltas delta JOIN members_membership membership USING (member_id)
WHERE delta.day < ((now() + interval '1 hour') AT TIME ZONE %(zone)s)::date - 1
ORDER BY membership.community_id, delta.day
ON CONFLICT (community_id, day) DO UPDATE SET marked_at = EXCLUDED.marked_at
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
    values: dict[str, str | int] = {
        "enterprise": enterprise.pk,
        "source": source,
        "zone": enterprise.time_zone,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        temporary_table(cursor, "purchase_stage", STAGE_COLUMNS)
        temporary_table(cursor, "purchase_deltas", DELTA_COLUMNS)
        copy_lines(cursor, "purchase_stage", _lines(placed))
        cursor.execute(STORE_NEW, values)
        accepted = affected(cursor)
        cursor.execute(STORE_REFUNDS, values)
        updated = affected(cursor)
        cursor.execute(CONTRADICTED, values)
        for index, order_number in cursor.fetchall():
            rejects.append(Rejection(index, CONFLICT, conflict_message(order_number)))
        if accepted or updated:
            cursor.execute(MAKE_DAYS, values)
            cursor.execute(ADD_TO_DAYS)
            cursor.execute(MARK_LATE_DAYS, values)
            members = {place.member_id for place in placed}
            mark_tiers_due(enterprise.pk, members, moved=ORDERS)
    return accepted, updated


def _lines(placed: Iterable[Placed]) -> Iterator[str]:
    for place in placed:
        order = place.order
        yield (
            f"{place.index}\t{place.member_id}\t{escaped(order.order_number)}\t"
            f"{order.paid_at.isoformat()}\t{order.paid_amount}\t{order.refunded_amount}\t"
            f"{order.currency}\n"
        )
