"""The end of a run: when every recipient has a result, or when it was cancelled."""

from __future__ import annotations

import logging

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from campaigns.models import Broadcast, Dispatch, Run
from campaigns.rules.status import BroadcastStatus, RunStatus, outcome_of_run
from campaigns.selectors.progress import progress_of
from campaigns.services.moving import locked_broadcast, move_broadcast
from campaigns.signals import broadcast_finished
from scrm.shared.clock import database_now

logger = logging.getLogger(__name__)

CANCEL_AT_ONCE = 20

# What nobody has taken yet is cancelled; what is in flight keeps its lease and tells its result.
CANCEL_STEP = """
WITH gone AS (
    UPDATE campaigns_dispatch SET status = 'cancelled', cancelled_count = cardinality(recipient_ids)
    WHERE id IN (
        SELECT id FROM campaigns_dispatch
        WHERE run_id = %(run)s AND status = 'pending'
        ORDER BY id LIMIT %(limit)s
        FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING recipient_ids
)
UPDATE campaigns_delivery delivery SET status = 'cancelled', settled_at = statement_timestamp()
FROM gone, unnest(gone.recipient_ids) AS recipient (id)
WHERE delivery.run_id = %(run)s AND delivery.recipient_id = recipient.id
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


def finish_what_is_done() -> list[int]:
    """Close the runs that have nothing left to do; returns them."""
    waiting = Dispatch.objects.open().filter(run=OuterRef("pk"))
    done = Run.objects.filter(
        ~Exists(waiting), status__in=[RunStatus.SENDING, RunStatus.CANCELLING]
    )
    return [pk for pk in done.values_list("pk", flat=True) if finish_run(pk)]


@transaction.atomic
def finish_run(run_id: int) -> bool:
    run = Run.objects.get(pk=run_id)
    broadcast = locked_broadcast(run.broadcast_id)
    run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
    if Dispatch.objects.open().filter(run=run).exists():
        return False
    if run.status == RunStatus.CANCELLING:
        run.status = RunStatus.CANCELLED
    elif run.status == RunStatus.SENDING and broadcast.status == BroadcastStatus.RUNNING:
        run.status = RunStatus.FINISHED
        _conclude(broadcast, run)
    else:
        return False
    run.finished_at, run.held_until = database_now(), None
    run.save(update_fields=["status", "finished_at", "held_until"])
    broadcast_finished.send(sender=Broadcast, broadcast_id=broadcast.pk, run_id=run.pk)
    logger.info("A run is over.", extra={"run_id": run.pk, "run_status": run.status.value})
    return True


@transaction.atomic
def abandon_run(run_id: int, *, reason: str) -> None:
    """End a run whose audience cannot be frozen, for a reason that waiting does not change."""
    broadcast = locked_broadcast(Run.objects.get(pk=run_id).broadcast_id)
    run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
    if run.status != RunStatus.FREEZING or broadcast.status != BroadcastStatus.RUNNING:
        return
    run.status, run.finished_at = RunStatus.FINISHED, database_now()
    run.save(update_fields=["status", "finished_at"])
    move_broadcast(
        broadcast,
        BroadcastStatus.FAILED,
        verb="finish_broadcast",
        actor=None,
        status_reason=reason[:300],
    )
    logger.error("A run was abandoned.", extra={"run_id": run.pk})


def _conclude(broadcast: Broadcast, run: Run) -> None:
    progress = progress_of(run.pk)
    becomes, reason = outcome_of_run(delivered=progress.delivered, failed=progress.failed), ""
    if not progress.total:
        becomes, reason = BroadcastStatus.FAILED, _("到了发送时间，没有符合条件的收件人。")
    move_broadcast(broadcast, becomes, verb="finish_broadcast", actor=None, status_reason=reason)
