"""Freezing the audience: set by set inside the database, in steps that can be resumed.

A step is one transaction: it takes the next recipients of one community in ascending order, adds
their deliveries, cuts the new ones into dispatches and moves the run's cursor. Killed between two
steps, the next worker goes on at the cursor.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F, Q

from campaigns.channels.registry import channel_for
from campaigns.models import Broadcast, Run
from campaigns.rules.status import RunStatus
from campaigns.selectors.audience import Audience, audience_of
from campaigns.signals import audience_frozen, broadcast_cancelled, early_freezing_asked
from scrm.shared.clock import database_now

logger = logging.getLogger(__name__)

STEP_SIZE = 50_000
DISPATCH_SIZE = 1000

# The next recipients come from the query in {recipients}: one column, ascending, limited. Somebody
# can be in several communities, and is added {once}; in a single one the key alone sees to that.
STEP = """
WITH next (recipient_id) AS MATERIALIZED (
    {recipients}
), added AS (
    INSERT INTO campaigns_delivery (run_id, recipient_id)
    SELECT %s, recipient_id FROM next
    {once}
    RETURNING recipient_id
), numbered AS (
    SELECT recipient_id, (row_number() OVER (ORDER BY recipient_id) - 1) / %s AS batch FROM added
), cut AS (
    INSERT INTO campaigns_dispatch (run_id, sequence, recipient_ids)
    SELECT %s, %s + batch, array_agg(recipient_id ORDER BY recipient_id)
    FROM numbered GROUP BY batch ORDER BY batch
    RETURNING cardinality(recipient_ids) AS size
)
UPDATE campaigns_run SET
    frozen_community_id = %s,
    frozen_through = coalesce((SELECT max(recipient_id) FROM next), frozen_through),
    recipient_count = recipient_count + (SELECT coalesce(sum(size), 0) FROM cut),
    dispatch_count = dispatch_count + (SELECT count(*) FROM cut)
WHERE id = %s
RETURNING (SELECT count(*) FROM next)
"""


@dataclass(frozen=True, slots=True)
class Freezing:
    """What does not change from step to step."""

    run_id: int
    audience: Audience
    dispatch_size: int

    @classmethod
    def of(cls, run_id: int) -> Freezing:
        parts = Run.objects.select_related("broadcast__channel_account", "broadcast__enterprise")
        run = parts.get(pk=run_id)
        channel = channel_for(run.broadcast.channel_account.kind)
        audience = audience_of(run.broadcast, as_of=run.started_at)
        return cls(run.pk, audience, min(DISPATCH_SIZE, channel.batch_limit))

    def community_after(self, community_id: int) -> int | None:
        later = [pk for pk in self.audience.community_ids if pk > community_id]
        return min(later, default=None)


def begin_run(broadcast: Broadcast, *, planned_for: datetime) -> Run:
    """The run of one occurrence of a locked broadcast: what was frozen at its approval, or a new
    one. ``one_run_per_planned_time`` is breached when this occurrence has one already."""
    early = early_run(broadcast)
    if early is None:
        return Run.objects.create(
            broadcast=broadcast,
            planned_for=planned_for,
            content_version=broadcast.content_version,
        )
    early.planned_for, early.started_at = planned_for, database_now()
    early.save(update_fields=["planned_for", "started_at"])
    return early


def freeze_early(broadcast: Broadcast) -> Run:
    """Freeze the audience of a locked broadcast now, at its approval. The run lies still until
    ``begin_run`` takes it over, because its broadcast is not running."""
    now = database_now()
    run = Run.objects.create(
        broadcast=broadcast,
        planned_for=now,
        started_at=now,
        is_prefrozen=True,
        content_version=broadcast.content_version,
    )
    early_freezing_asked.send(sender=Run, broadcast_id=broadcast.pk, run_id=run.pk)
    return run


def cancel_early(broadcast: Broadcast) -> None:
    """Give up what was frozen at an approval that no longer counts."""
    early = early_run(broadcast)
    if early is not None:
        early.status, early.held_until = RunStatus.CANCELLING, None
        early.save(update_fields=["status", "held_until"])
        broadcast_cancelled.send(sender=Broadcast, broadcast_id=broadcast.pk)


def is_early() -> Q:
    """A run made at approval that no occurrence has taken yet: until then it is planned for the
    moment at which it was made."""
    return Q(is_prefrozen=True, planned_for=F("started_at"))


def early_run(broadcast: Broadcast) -> Run | None:
    waiting = Run.objects.filter(
        is_early(), broadcast=broadcast, status__in=[RunStatus.FREEZING, RunStatus.SENDING]
    )
    return waiting.select_for_update(no_key=True).first()


def runs_to_freeze() -> list[int]:
    runs = Run.objects.filter(status=RunStatus.FREEZING).order_by("pk")
    return list(runs.values_list("pk", flat=True))


def freeze_step(freezing: Freezing, *, step_size: int = STEP_SIZE) -> bool:
    """One step; whether there is more to do. False also when another worker is at it."""
    with transaction.atomic(durable=True):
        run = (
            Run.objects.select_for_update(no_key=True, skip_locked=True)
            .filter(pk=freezing.run_id, status=RunStatus.FREEZING)
            .first()
        )
        if run is None:
            return False
        community_id = run.frozen_community_id or freezing.community_after(0)
        if community_id is None:
            _finish_freezing(run)
            return False
        taken = _take_step(run, freezing, community_id=community_id, step_size=step_size)
        if taken == step_size:
            return True
        following = freezing.community_after(community_id)
        if following is None:
            _finish_freezing(run)
            return False
        run.frozen_community_id, run.frozen_through = following, 0
        run.save(update_fields=["frozen_community_id", "frozen_through"])
        return True


def _take_step(run: Run, freezing: Freezing, *, community_id: int, step_size: int) -> int:
    key = freezing.audience.key
    ids = (
        freezing.audience.ids_in(community_id)
        .filter(**{f"{key}__gt": run.frozen_through})
        .order_by(key)[:step_size]
    )
    recipients, values = ids.query.sql_with_params()
    once = "ON CONFLICT DO NOTHING" if len(freezing.audience.community_ids) > 1 else ""
    with connection.cursor() as cursor:
        cursor.execute(
            STEP.format(recipients=recipients, once=once),  # from the ORM; every value is bound
            [
                *values,
                run.pk,
                freezing.dispatch_size,
                run.pk,
                run.dispatch_count,
                community_id,
                run.pk,
            ],
        )
        (taken,) = cursor.fetchone()
    return int(taken)


def _finish_freezing(run: Run) -> None:
    """From here on the run sends. That nobody is in it is noticed when it is finished."""
    run.status = RunStatus.SENDING
    run.save(update_fields=["status"])
    audience_frozen.send(sender=Run, broadcast_id=run.broadcast_id, run_id=run.pk)
    logger.info("An audience is frozen.", extra={"run_id": run.pk})
