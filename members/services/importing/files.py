"""The kinds of files that bring activity and purchases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import starmap
from typing import TYPE_CHECKING

from django.utils import timezone

from members.models.import_run import ImportKind
from members.rules.activity import RawEvent
from members.rules.purchases import RawPurchase
from members.rules.rows import Rejection
from members.services.importing.layouts import Layout, Row, Span, WriteBatch
from members.services.ingestion import ingest_activities
from members.services.purchases import PurchaseResult, record_purchases
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from scrm.accounts.models import User

ACTIVITY = Layout(
    ImportKind.ACTIVITY,
    required=("member", "community", "kind", "occurred_at", "dedupe_key"),
    optional=("thread", "staff"),
)
PURCHASES = Layout(
    ImportKind.PURCHASES,
    required=("member", "order_number", "paid_at", "paid_amount"),
    optional=("refunded_amount", "currency"),
)


@dataclass(frozen=True)
class Ingested:
    """What became of a batch of events, and from when to when those of each community were."""

    accepted: int
    duplicates: int
    rejects: Sequence[Rejection]
    spans: dict[str, Span]


@dataclass(frozen=True)
class Newcomers:
    """What happens to customers of whom a row is the first that is heard: refused, or put on file
    under their number, with their consent to profiling by the text of that version."""

    are_created: bool = False
    consent_text: str = ""


REFUSED = Newcomers()


def activity_writer(
    enterprise: Enterprise,
    *,
    source: str,
    newcomers: Newcomers = REFUSED,
    visible_to: User | None = None,
    states_span: bool = True,
) -> WriteBatch:
    """With ``states_span`` the source is known to have listened from the first to the last event
    of a community."""

    def write(rows: Sequence[Row]) -> Ingested:
        result = ingest_activities(
            enterprise,
            starmap(RawEvent, rows),
            source=source,
            now=timezone.now(),
            visible_to=visible_to,
            create_members=newcomers.are_created,
            consent_text=newcomers.consent_text,
        )
        spans = {}
        if states_span:
            refused = {bad.index for bad in result.rejects}
            spans = spans_of(row for index, row in enumerate(rows) if index not in refused)
        return Ingested(result.accepted, result.duplicates, result.rejects, spans)

    return write


def spans_of(rows: Iterable[Row]) -> dict[str, Span]:
    """From the first to the last event of each community, of rows that were found to be good."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for _member, community, _kind, occurred_at, *_rest in rows:
        instant = datetime.fromisoformat(occurred_at.strip())
        first, last = spans.get(community, (instant, instant))
        spans[community] = (min(first, instant), max(last, instant))
    return {
        community.strip(): (
            since.astimezone(UTC).isoformat(),
            until.astimezone(UTC).isoformat(),
        )
        for community, (since, until) in spans.items()
    }


def purchase_writer(
    enterprise: Enterprise,
    *,
    source: str,
    newcomers: Newcomers = REFUSED,
    visible_to: User | None = None,
) -> WriteBatch:
    def write(rows: Sequence[Row]) -> PurchaseResult:
        return record_purchases(
            enterprise,
            map(RawPurchase._make, rows),
            source=source,
            now=timezone.now(),
            visible_to=visible_to,
            create_members=newcomers.are_created,
            consent_text=newcomers.consent_text,
        )

    return write
