"""How far a run is: read from the counters of its dispatches, so the cost does not grow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count

from campaigns.models import Delivery, Run
from campaigns.rules.status import DeliveryStatus

PROGRESS = """
SELECT run.recipient_count, run.status, run.held_until, run.started_at, run.finished_at,
       coalesce(sum(dispatch.delivered_count), 0), coalesce(sum(dispatch.awaiting_count), 0),
       coalesce(sum(dispatch.failed_count), 0), coalesce(sum(dispatch.suppressed_count), 0),
       coalesce(sum(dispatch.cancelled_count), 0), coalesce(sum(dispatch.expired_count), 0),
       coalesce(sum(cardinality(dispatch.recipient_ids))
                FILTER (WHERE dispatch.status = 'leased'), 0)
FROM campaigns_run run LEFT JOIN campaigns_dispatch dispatch ON dispatch.run_id = run.id
WHERE run.id = %s
GROUP BY run.id
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """The states of a run's deliveries. They add up to the total; ``in_flight_count`` is how many
    of the planned are with the channel right now."""

    run_id: int
    run_status: str
    total: int
    delivered: int
    awaiting_owner: int
    failed: int
    suppressed: int
    cancelled: int
    expired: int
    in_flight: int
    held_until: datetime | None
    started_at: datetime
    finished_at: datetime | None

    @property
    def planned(self) -> int:
        return self.total - self.settled - self.awaiting_owner

    @property
    def settled(self) -> int:
        return self.delivered + self.failed + self.suppressed + self.cancelled + self.expired

    @property
    def percent(self) -> int:
        """What waits for somebody's word is not done."""
        return 100 * self.settled // self.total if self.total else 0


def progress_of(run_id: int) -> Progress:
    with connection.cursor() as cursor:
        cursor.execute(PROGRESS, [run_id])
        row = cursor.fetchone()
    if row is None:
        raise Run.DoesNotExist
    total, status, held_until, started_at, finished_at, *counts = row
    delivered, awaiting, failed, suppressed, cancelled, expired, in_flight = map(int, counts)
    return Progress(
        run_id=run_id,
        run_status=status,
        total=total,
        delivered=delivered,
        awaiting_owner=awaiting,
        failed=failed,
        suppressed=suppressed,
        cancelled=cancelled,
        expired=expired,
        in_flight=in_flight,
        held_until=held_until,
        started_at=started_at,
        finished_at=finished_at,
    )


def counted_deliveries(run_id: int) -> dict[str, int]:
    """The same from the rows themselves: for checks, it reads every delivery."""
    counts = dict(
        Delivery.objects.filter(run=run_id)
        .order_by()
        .values_list("status")
        .annotate(deliveries=Count("recipient_id"))
        .values_list("status", "deliveries")
    )
    return {status.value: counts.get(status.value, 0) for status in DeliveryStatus}


def failure_reasons(run_id: int) -> list[tuple[str, str, int]]:
    """(status, reason, count), most frequent first."""
    rows = (
        Delivery.objects.filter(run=run_id)
        .exclude(reason="")
        .order_by()
        .values_list("status", "reason")
        .annotate(deliveries=Count("recipient_id"))
        .order_by("-deliveries", "status", "reason")
    )
    return [(status, reason, count) for status, reason, count in rows]
