"""Trying again those for whom it failed, apart by cause.

They move into new dispatches, with keys of their own: the platform said that it did not reach them.
Of whom it said nothing (``outcome_unknown``) nobody knows, so they are not tried again.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, transaction
from django.utils.translation import gettext as _

from campaigns.errors import CannotMove, ChannelIsOff, NothingToRetry
from campaigns.models import Broadcast, Run
from campaigns.rules.status import BroadcastStatus, RunStatus
from campaigns.selectors.senders import senders_sql
from campaigns.services.freezing import NO_SENDERS, dispatch_size_of
from campaigns.services.moving import locked_broadcast, move_broadcast
from campaigns.signals import broadcast_resumed
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.sql import named_sql

#: How many dispatches are gone through in one statement.
STEP = 50
UNKNOWN = "outcome_unknown"

ENDED_WITH_FAILURES = frozenset({BroadcastStatus.PARTIALLY_COMPLETED, BroadcastStatus.FAILED})
#: A broadcast that goes on by itself once there is something to send.
GOES_ON = frozenset({BroadcastStatus.RUNNING, BroadcastStatus.PAUSED})

# The failed recipients leave their dispatch and its counter and become planned again, in dispatches
# with the same arm. Whoever can send to them may be another by now.
RETRY = """
WITH old AS MATERIALIZED (
    SELECT id, arm, recipient_ids FROM campaigns_dispatch
    WHERE run_id = {run} AND id > {after} AND id <= {last} AND failed_count > 0
      AND status IN ('done', 'awaiting')
    ORDER BY id LIMIT {step}
    FOR NO KEY UPDATE
), moved AS (
    UPDATE campaigns_delivery delivery SET status = 'planned', reason = '', settled_at = NULL
    FROM old, unnest(old.recipient_ids) AS recipient (id)
    WHERE delivery.run_id = {run} AND delivery.recipient_id = recipient.id
      AND delivery.status = 'failed' AND delivery.reason = ANY({reasons})
    RETURNING delivery.recipient_id, old.id AS dispatch_id, old.arm
), left_behind AS (
    SELECT dispatch_id, count(*) AS gone, array_agg(recipient_id) AS ids
    FROM moved GROUP BY dispatch_id
), shrunk AS (
    UPDATE campaigns_dispatch dispatch SET
        failed_count = dispatch.failed_count - left_behind.gone,
        recipient_ids = ARRAY(
            SELECT id FROM unnest(dispatch.recipient_ids) WITH ORDINALITY AS kept (id, place)
            WHERE id <> ALL(left_behind.ids) ORDER BY place
        )
    FROM left_behind WHERE dispatch.id = left_behind.dispatch_id
), placed AS (
    SELECT moved.recipient_id, moved.arm, coalesce(sending.sender, '') AS sender
    FROM moved LEFT JOIN ({senders}) sending ON sending.recipient_id = moved.recipient_id
), numbered AS (
    SELECT recipient_id, arm, sender, (row_number() OVER (
        PARTITION BY arm, sender ORDER BY recipient_id) - 1) / {size} AS part
    FROM placed
), batches AS (
    SELECT arm, sender, array_agg(recipient_id ORDER BY recipient_id) AS ids
    FROM numbered GROUP BY arm, sender, part
), cut AS (
    INSERT INTO campaigns_dispatch (run_id, sequence, recipient_ids, arm, sender)
    SELECT {run}, {sequence} + row_number() OVER (ORDER BY ids) - 1, ids, arm, sender
    FROM batches
    RETURNING 1
)
SELECT (SELECT max(id) FROM old), (SELECT count(*) FROM moved), (SELECT count(*) FROM cut)
"""


@transaction.atomic
def retry_failed(run_id: int, *, actor: User, reasons: Sequence[str]) -> int:
    """New dispatches for the recipients of a run that failed for one of these reasons; how many
    recipients. Refused (``nothing_to_retry``) when there are none.

    The guards judge them again at the claim. A broadcast that was over runs once more.
    """
    broadcast = locked_broadcast(Run.objects.get(pk=run_id).broadcast_id)
    run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
    _refuse_what_is_over(broadcast, run)
    chosen = sorted(set(reasons) - {UNKNOWN})
    retried = _move(run, broadcast, chosen) if chosen else 0
    if not retried:
        raise NothingToRetry(_("没有因为这些原因失败、可以再试的收件人。"))
    run.status, run.finished_at = RunStatus.SENDING, None
    run.save(update_fields=["status", "finished_at", "dispatch_count"])
    if broadcast.status not in GOES_ON:
        move_broadcast(broadcast, BroadcastStatus.RUNNING, verb="retry_failed", actor=actor)
    else:
        record_audit(
            actor,
            verb="retry_failed",
            subject=broadcast,
            after={"run": run.pk, "reasons": chosen, "recipient_count": retried},
        )
    broadcast_resumed.send(sender=Broadcast, broadcast_id=broadcast.pk)
    return retried


def _refuse_what_is_over(broadcast: Broadcast, run: Run) -> None:
    if run.status not in {RunStatus.SENDING, RunStatus.FINISHED}:
        raise CannotMove(_("“%(status)s”的执行不能重试。") % {"status": run.get_status_display()})
    may_begin = {*GOES_ON, BroadcastStatus.SCHEDULED, *ENDED_WITH_FAILURES}
    if broadcast.status not in may_begin:
        raise CannotMove(
            _("“%(status)s”的群发不能重试失败的收件人。")
            % {"status": broadcast.get_status_display()}
        )
    if not broadcast.channel_account.is_active:
        name = broadcast.channel_account.name
        raise ChannelIsOff(_("渠道账号“%(name)s”已停用。") % {"name": name})


def _move(run: Run, broadcast: Broadcast, reasons: list[str]) -> int:
    """In steps, so that no statement takes long, of what there was when it began."""
    last = run.dispatches.order_by("-pk").values_list("pk", flat=True).first()
    after, retried = 0, 0
    with connection.cursor() as cursor:
        while True:
            statement = named_sql(
                RETRY,
                run=run.pk,
                after=after,
                last=last,
                step=STEP,
                reasons=reasons,
                size=dispatch_size_of(broadcast),
                sequence=run.dispatch_count,
                senders=senders_sql(broadcast) or NO_SENDERS,
            )
            cursor.execute(statement.text, statement.params)
            through, moved, added = cursor.fetchone()
            if through is None:
                return retried
            after, retried = through, retried + moved
            run.dispatch_count += added
