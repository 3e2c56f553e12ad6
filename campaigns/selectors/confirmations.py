"""What waits on the platform for whose word, read from the dispatches of a run."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, F, Func, IntegerField, OuterRef, Q, QuerySet, Subquery

from campaigns.models import Dispatch
from campaigns.rules.status import DispatchStatus
from scrm.accounts.models import Staff


def with_sender_name(dispatches: QuerySet[Dispatch]) -> QuerySet[Dispatch]:
    """Adds ``sender_name`` and ``recipient_count``; the lists of recipients stay where they are."""
    names = Staff.objects.filter(
        enterprise=OuterRef("run__broadcast__enterprise"), external_id=OuterRef("sender")
    ).exclude(external_id="")
    return dispatches.annotate(
        sender_name=Subquery(names.values("name")[:1]),
        recipient_count=Func(
            F("recipient_ids"), function="cardinality", output_field=IntegerField()
        ),
    ).defer("recipient_ids")


@dataclass(frozen=True, slots=True)
class Confirmations:
    """Of the calls of a run that somebody has to confirm: how many, and how many are confirmed."""

    total: int
    confirmed: int
    waiting: int


def confirmations_of(run_id: int) -> Confirmations:
    waits = Q(status=DispatchStatus.AWAITING, confirmed_at=None)
    counts = of_senders(run_id).aggregate(
        total=Count("pk"),
        confirmed=Count("pk", filter=Q(confirmed_at__isnull=False)),
        waiting=Count("pk", filter=waits),
    )
    return Confirmations(**counts)


def by_sender(run_id: int, *, limit: int) -> list[Dispatch]:
    """Those that still wait for somebody's word first, the longest wait before the others."""
    waits = Q(status=DispatchStatus.AWAITING, confirmed_at=None)
    ordered = with_sender_name(of_senders(run_id)).select_related("run")
    return list(ordered.alias(waits=waits).order_by("-waits", "submitted_at", "pk")[:limit])


def of_senders(run_id: int) -> QuerySet[Dispatch]:
    return Dispatch.objects.filter(run=run_id).exclude(sender="")
