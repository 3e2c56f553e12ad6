"""The end of a run: when every recipient has a result, or when it was cancelled."""

from __future__ import annotations

import logging

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from campaigns.models import Broadcast, Dispatch, Run
from campaigns.rules.status import BroadcastStatus, RunStatus, outcome_of_run
from campaigns.services.freezing import is_early
from campaigns.services.moving import locked_broadcast, move_broadcast
from campaigns.signals import broadcast_finished
from scrm.shared.clock import database_now

logger = logging.getLogger(__name__)

CANCEL_AT_ONCE = 20

# What nobody has taken yet is cancelled; what is in flight keeps its lease and tells its result.
CANCEL_STEP = """
WITH waiting AS MATERIALIZED (
    SELECT id FROM campaigns_dispatch
    WHERE run_id = %(run)s AND status = 'pending'
    ORDER BY id LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
), gone AS (
    UPDATE campaigns_dispatch dispatch SET
        status = 'cancelled', cancelled_count = cardinality(dispatch.recipient_ids)
    FROM waiting WHERE dispatch.id = waiting.id
    RETURNING dispatch.recipient_ids
)
UPDATE campaigns_delivery delivery SET status = 'cancelled', settled_at = statement_timestamp()
FROM gone, unnest(gone.recipient_ids) AS recipient (id)
WHERE delivery.run_id = %(run)s AND delivery.recipient_id = recipient.id
"""


# What began to wait for a colleague's word while its broadcast was being stopped.
STOP_AWAITING = """
WITH late AS MATERIALIZED (
    SELECT dispatch.id
    FROM campaigns_run run
    JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
    JOIN campaigns_dispatch dispatch ON dispatch.run_id = run.id
    WHERE run.status IN ('sending', 'cancelling') AND dispatch.status = 'awaiting'
      AND (run.status = 'cancelling' OR broadcast.status = 'halted')
    FOR NO KEY UPDATE OF dispatch SKIP LOCKED
)
UPDATE campaigns_dispatch dispatch SET status = 'stopping', due_at = statement_timestamp()
FROM late WHERE dispatch.id = late.id
"""


def settle_cancelled() -> int:
    """Cancel, in steps, the deliveries of runs that were cancelled; returns how many."""
    cancelled = 0
    for run_id in Run.objects.filter(status=RunStatus.CANCELLING).values_list("pk", flat=True):
        while step := cancel_step(run_id):
            cancelled += step
    return cancelled


def cancel_step(run_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(CANCEL_STEP, {"run": run_id, "limit": CANCEL_AT_ONCE})
        return int(cursor.rowcount)


def stop_what_still_awaits() -> int:
    """Of broadcasts that were cancelled or halted; returns how many calls."""
    with connection.cursor() as cursor:
        cursor.execute(STOP_AWAITING)
        return int(cursor.rowcount)


def finish_what_is_done() -> list[int]:
    """Close the runs that have nothing left to do; returns them."""
    waiting = Dispatch.objects.open().filter(run=OuterRef("pk"))
    sends = Q(status=RunStatus.SENDING, broadcast__status=BroadcastStatus.RUNNING)
    done = Run.objects.filter(sends | Q(status=RunStatus.CANCELLING), ~Exists(waiting))
    return [pk for pk in done.values_list("pk", flat=True) if finish_run(pk)]


@transaction.atomic
def finish_run(run_id: int) -> bool:
    run = Run.objects.get(pk=run_id)
    broadcast = locked_broadcast(run.broadcast_id)
    run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
    if Dispatch.objects.open().filter(run=run).exists():
        return False
    if run.status == RunStatus.CANCELLING:
        _end(run, RunStatus.CANCELLED)
    elif run.status == RunStatus.SENDING and broadcast.status == BroadcastStatus.RUNNING:
        _end(run, RunStatus.FINISHED)
        _await_or_conclude(broadcast, run)
    else:
        return False
    broadcast_finished.send(sender=Broadcast, broadcast_id=broadcast.pk, run_id=run.pk)
    logger.info("A run is over.", extra={"run_id": run.pk, "run_status": run.status})
    return True


@transaction.atomic
def abandon_run(run_id: int, *, reason: str) -> None:
    """End a run whose audience cannot be frozen, for a reason that waiting does not change.

    One that was frozen early is only given up: the next begins with freezing, and says it then.
    """
    broadcast = locked_broadcast(Run.objects.get(pk=run_id).broadcast_id)
    run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
    if run.status != RunStatus.FREEZING:
        return
    if Run.objects.filter(is_early(), pk=run_id).exists():
        _end(run, RunStatus.CANCELLED, reason=reason)
        return
    if broadcast.status != BroadcastStatus.RUNNING:
        return
    _end(run, RunStatus.FINISHED, reason=reason)
    move_broadcast(
        broadcast,
        BroadcastStatus.FAILED,
        verb="finish_broadcast",
        actor=None,
        status_reason=reason[:300],
        scheduled_at=None,
    )
    logger.error("A run was abandoned.", extra={"run_id": run.pk})


def _end(run: Run, status: RunStatus, *, reason: str = "") -> None:
    run.status, run.status_reason = status, reason[:300]
    run.finished_at, run.held_until, run.held_reason = database_now(), None, ""
    run.save(update_fields=["status", "status_reason", "finished_at", "held_until", "held_reason"])


def _await_or_conclude(broadcast: Broadcast, run: Run) -> None:
    """A broadcast goes on with its other runs, then waits for its next time; the last run ends
    it."""
    if Run.objects.open().filter(broadcast=broadcast).exists():
        return
    if broadcast.scheduled_at is not None:
        move_broadcast(
            broadcast, BroadcastStatus.SCHEDULED, verb="await_next_occurrence", actor=None
        )
        return
    if Run.objects.filter(broadcast=broadcast, status=RunStatus.ASKED).exists():
        move_broadcast(
            broadcast,
            BroadcastStatus.PAUSED,
            verb="finish_broadcast",
            actor=None,
            status_reason=_("错过的一次还没有决定：补发还是不发。"),
        )
        return
    delivered, failed, total = _counts(broadcast)
    becomes, reason = outcome_of_run(delivered=delivered, failed=failed), ""
    if not total:
        becomes, reason = BroadcastStatus.FAILED, _("到了发送时间，没有符合条件的收件人。")
    move_broadcast(broadcast, becomes, verb="finish_broadcast", actor=None, status_reason=reason)


def _counts(broadcast: Broadcast) -> tuple[int, int, int]:
    """Delivered, failed and expired, and all, over the runs of a broadcast."""
    counts = Dispatch.objects.filter(run__broadcast=broadcast).aggregate(
        delivered=Coalesce(Sum("delivered_count"), 0),
        failed=Coalesce(Sum(F("failed_count") + F("expired_count")), 0),
    )
    total = Run.objects.filter(broadcast=broadcast).aggregate(n=Coalesce(Sum("recipient_count"), 0))
    return counts["delivered"], counts["failed"], total["n"]
