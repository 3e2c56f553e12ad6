"""What waits on the platform for whose word, read from the dispatches of a run."""

from __future__ import annotations

from django.db.models import F, Func, IntegerField, OuterRef, QuerySet, Subquery

from campaigns.models import Dispatch
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
