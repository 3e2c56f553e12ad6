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
from campaigns.rules.rates import portion_size
from campaigns.rules.status import RECIPIENT_KIND, BroadcastTarget, RunStatus
from campaigns.selectors.arms import NO_ARM, Arms, arms_of
from campaigns.selectors.audience import Audience, audience_of
from campaigns.selectors.senders import senders_sql
from campaigns.signals import audience_frozen, broadcast_cancelled, early_freezing_asked
from scrm.shared.clock import database_now
from scrm.shared.sql import Sql, named_sql, sql_of

logger = logging.getLogger(__name__)

STEP_SIZE = 50_000
DISPATCH_SIZE = 1000

# The next recipients come from the query in {recipients}: one column, ascending, limited. Of a
# single community everybody is new, and the list itself is cut: an array, read twice and sorted
# never.
STEP = """
WITH list AS MATERIALIZED (
    SELECT array_agg(recipient_id ORDER BY recipient_id) AS ids
    FROM ({recipients}) AS q (recipient_id)
), next AS (
    SELECT unnest(ids) AS recipient_id FROM list
), added AS (
    INSERT INTO campaigns_delivery (run_id, recipient_id) SELECT {run}, recipient_id FROM next
), cut AS (
    INSERT INTO campaigns_dispatch (run_id, sequence, recipient_ids)
    SELECT {run}, {sequence} + batch, ids[batch * {size} + 1 : (batch + 1) * {size}]
    FROM list, generate_series(0, (cardinality(ids) - 1) / {size}) AS batch
    RETURNING cardinality(recipient_ids) AS size
)
"""

# Somebody can be in several communities, and is added once: only who is new is cut.
STEP_OF_SEVERAL = """
WITH next (recipient_id) AS MATERIALIZED (
    {recipients}
), added AS (
    INSERT INTO campaigns_delivery (run_id, recipient_id) SELECT {run}, recipient_id FROM next
    ON CONFLICT DO NOTHING
    RETURNING recipient_id
), numbered AS (
    SELECT recipient_id, (row_number() OVER (ORDER BY recipient_id) - 1) / {size} AS batch
    FROM added
), cut AS (
    INSERT INTO campaigns_dispatch (run_id, sequence, recipient_ids)
    SELECT {run}, {sequence} + batch, array_agg(recipient_id ORDER BY recipient_id)
    FROM numbered GROUP BY batch ORDER BY batch
    RETURNING cardinality(recipient_ids) AS size
)
"""

# The same with an arm and a sender for everybody: a dispatch has one of each. Who is held out (arm
# 0) has a result at once. An arm may have its own time.
PLACED_STEP = """
WITH next (recipient_id) AS MATERIALIZED (
    {recipients}
), placed AS MATERIALIZED (
    SELECT next.recipient_id, {arm} AS arm, coalesce(sending.sender, '') AS sender
    FROM next LEFT JOIN ({senders}) sending ON sending.recipient_id = next.recipient_id
), added AS (
    INSERT INTO campaigns_delivery (run_id, recipient_id, status, reason, settled_at)
    SELECT {run}, recipient_id,
        CASE WHEN arm = 0 THEN 'suppressed' ELSE 'planned' END,
        CASE WHEN arm = 0 THEN 'hold_out' ELSE '' END,
        CASE WHEN arm = 0 THEN statement_timestamp() END
    FROM placed
    ON CONFLICT DO NOTHING
    RETURNING recipient_id
), numbered AS (
    SELECT recipient_id, arm, sender, (row_number() OVER (
        PARTITION BY arm, sender ORDER BY recipient_id) - 1) / {size} AS part
    FROM added JOIN placed USING (recipient_id)
), batches AS (
    SELECT arm, sender, array_agg(recipient_id ORDER BY recipient_id) AS ids
    FROM numbered GROUP BY arm, sender, part
), cut AS (
    INSERT INTO campaigns_dispatch
        (run_id, sequence, recipient_ids, arm, sender, status, suppressed_count, due_at)
    SELECT {run}, {sequence} + row_number() OVER (ORDER BY ids) - 1, ids, batches.arm, sender,
        CASE WHEN batches.arm = 0 THEN 'done' ELSE 'pending' END,
        CASE WHEN batches.arm = 0 THEN cardinality(ids) ELSE 0 END,
        coalesce(plan.due_at, statement_timestamp())
    FROM batches
    LEFT JOIN unnest({arms}::smallint[], {times}::timestamptz[]) AS plan (arm, due_at)
        ON plan.arm = batches.arm
    ORDER BY ids
    RETURNING cardinality(recipient_ids) AS size
)
"""

MOVE_CURSOR = """
UPDATE campaigns_run SET
    frozen_community_id = {community},
    frozen_through = coalesce((SELECT max(recipient_id) FROM next), frozen_through),
    recipient_count = recipient_count + (SELECT coalesce(sum(size), 0) FROM cut),
    dispatch_count = dispatch_count + (SELECT count(*) FROM cut)
WHERE id = {run}
RETURNING (SELECT count(*) FROM next)
"""

NO_SENDERS = Sql("SELECT NULL::bigint AS recipient_id, '' AS sender WHERE FALSE")

# When what was frozen at the approval begins, its arms get the times of the day it begins on.
RETIME = """
UPDATE campaigns_dispatch dispatch SET
    arm = coalesce({only}::smallint, dispatch.arm),
    due_at = coalesce(plan.due_at, statement_timestamp())
FROM campaigns_dispatch same
LEFT JOIN unnest({arms}::smallint[], {times}::timestamptz[]) AS plan (arm, due_at)
    ON plan.arm = coalesce({only}::smallint, same.arm)
WHERE same.id = dispatch.id AND dispatch.run_id = {run} AND dispatch.status = 'pending'
"""


@dataclass(frozen=True, slots=True)
class Freezing:
    """What does not change from step to step. ``is_whole``: all communities at once, so that one
    sender of several has one call."""

    run_id: int
    planned_for: datetime
    audience: Audience
    dispatch_size: int
    arms: Arms | None
    senders: Sql | None

    @classmethod
    def of(cls, run_id: int) -> Freezing:
        parts = Run.objects.select_related("broadcast__channel_account", "broadcast__enterprise")
        run = parts.get(pk=run_id)
        broadcast = run.broadcast
        return cls(
            run_id=run.pk,
            planned_for=run.planned_for,
            audience=audience_of(broadcast, as_of=_as_of(run), run=run),
            dispatch_size=dispatch_size_of(broadcast),
            arms=arms_of(run),
            senders=senders_sql(broadcast),
        )

    @property
    def is_whole(self) -> bool:
        return self.senders is not None

    def community_after(self, community_id: int) -> int | None:
        if self.is_whole:
            last = max(self.audience.community_ids, default=None)
            return last if community_id != last else None
        later = [pk for pk in self.audience.community_ids if pk > community_id]
        return min(later, default=None)

    def recipients_after(self, recipient_id: int, *, community_id: int, limit: int) -> Sql:
        communities = self.audience.community_ids if self.is_whole else (community_id,)
        key = self.audience.key
        ids = self.audience.ids_in(*communities).filter(**{f"{key}__gt": recipient_id})
        if self.is_whole:
            ids = ids.distinct()
        return sql_of(ids.order_by(key)[:limit])


def dispatch_size_of(broadcast: Broadcast) -> int:
    """How many recipients one call has: what the channel takes, for one sender; otherwise a
    thousand, or the portion of an account with a limit."""
    account = broadcast.channel_account
    channel = channel_for(account.kind)
    most = channel.batch_limit_of(RECIPIENT_KIND[BroadcastTarget(broadcast.target)].value)
    size = most if channel.one_sender else min(DISPATCH_SIZE, most)
    if not account.rate_per_second or channel.confirms:
        return size
    return min(size, portion_size(account.rate_per_second, account.rate_burst))


def _as_of(run: Run) -> datetime:
    """An audience is that of the moment its freezing was asked for, however long it takes."""
    if run.is_prefrozen and run.broadcast.approved_at is not None:
        return run.broadcast.approved_at
    return run.started_at


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
    _retime(early)
    return early


def _retime(run: Run) -> None:
    arms = arms_of(run)
    statement = named_sql(
        RETIME, run=run.pk, only=arms.only if arms is not None else None, **_times(arms)
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)


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
        if run.planned_for != freezing.planned_for:  # taken over between two steps
            freezing = Freezing.of(run.pk)
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
    parts = {
        "recipients": freezing.recipients_after(
            run.frozen_through, community_id=community_id, limit=step_size
        ),
        "run": run.pk,
        "size": freezing.dispatch_size,
        "sequence": run.dispatch_count,
        "community": community_id,
    }
    if freezing.arms is not None or freezing.senders is not None:
        statement = named_sql(PLACED_STEP + MOVE_CURSOR, **parts, **_places(freezing))
    else:
        step = STEP_OF_SEVERAL if len(freezing.audience.community_ids) > 1 else STEP
        statement = named_sql(step + MOVE_CURSOR, **parts)
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        (taken,) = cursor.fetchone()
    return int(taken)


def _places(freezing: Freezing) -> dict[str, Sql | object]:
    arms = freezing.arms
    return {
        "arm": arms.sql("next.recipient_id") if arms is not None else NO_ARM,
        "senders": freezing.senders or NO_SENDERS,
        **_times(arms),
    }


def _times(arms: Arms | None) -> dict[str, Sql | object]:
    numbers = arms.numbers if arms is not None else ()
    return {
        "arms": list(numbers),
        "times": [arms.due_at(number) for number in numbers] if arms is not None else [],
    }


def _finish_freezing(run: Run) -> None:
    """From here on the run sends. That nobody is in it is noticed when it is finished."""
    run.status = RunStatus.SENDING
    run.save(update_fields=["status"])
    audience_frozen.send(sender=Run, broadcast_id=run.broadcast_id, run_id=run.pk)
    logger.info("An audience is frozen.", extra={"run_id": run.pk})
