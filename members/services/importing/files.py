"""The kinds of files that bring activity and purchases."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap

from django.utils import timezone

from members.models.import_run import ImportKind
from members.rules.activity import RawEvent
from members.rules.purchases import RawPurchase
from members.services.importing.run import Layout, Row, WriteBatch
from members.services.ingestion import IngestResult, ingest_activities
from members.services.purchases import PurchaseResult, record_purchases
from scrm.accounts.models import Enterprise

ACTIVITY = Layout(
    ImportKind.ACTIVITY,
    required=("member", "community", "kind", "occurred_at", "dedupe_key"),
    optional=("thread",),
)
PURCHASES = Layout(
    ImportKind.PURCHASES,
    required=("member", "order_number", "paid_at", "paid_amount"),
    optional=("refunded_amount", "currency"),
)


def activity_writer(enterprise: Enterprise, *, source: str, create_members: bool) -> WriteBatch:
    def write(rows: Sequence[Row]) -> IngestResult:
        return ingest_activities(
            enterprise,
            starmap(RawEvent, rows),
            source=source,
            now=timezone.now(),
            create_members=create_members,
        )

    return write


def purchase_writer(enterprise: Enterprise, *, source: str, create_members: bool) -> WriteBatch:
    def write(rows: Sequence[Row]) -> PurchaseResult:
        return record_purchases(
            enterprise,
            map(RawPurchase._make, rows),
            source=source,
            now=timezone.now(),
            create_members=create_members,
        )

    return write
