"""Whether there is something to do, and how many are at it: what the sweeps ask."""

from __future__ import annotations

from django.db import connection

from campaigns.models import ContactWelcome
from campaigns.rules.status import WelcomeStatus

# Dispatches that a drain could take now, runs to freeze, cancel or finish; and the live leases.
# What waits for a colleague's word on the platform is nothing for a drain, unless its broadcast was
# stopped meanwhile.
DRAIN_WORK = """
SELECT
    (SELECT count(*) FROM campaigns_run run
     JOIN campaigns_dispatch dispatch ON dispatch.run_id = run.id
     WHERE run.status IN ('sending', 'cancelling') AND dispatch.status = 'leased'
       AND dispatch.due_at > statement_timestamp() AND dispatch.token IS NOT NULL),
    EXISTS (SELECT FROM campaigns_run WHERE status = 'freezing')
    OR EXISTS (
        SELECT FROM campaigns_run run
        JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
        JOIN wecom_channelaccount account ON account.id = broadcast.channel_account_id
        WHERE (
            run.status = 'cancelling'
            OR (run.status = 'sending' AND broadcast.status = 'running' AND account.is_active)
        ) AND (run.held_until IS NULL OR run.held_until <= statement_timestamp())
          AND EXISTS (
              SELECT FROM campaigns_dispatch dispatch
              WHERE dispatch.run_id = run.id AND dispatch.status IN ('pending', 'leased')
                AND dispatch.due_at <= statement_timestamp())
    )
    OR EXISTS (
        SELECT FROM campaigns_run run
        JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
        WHERE (
            run.status = 'cancelling'
            OR (run.status = 'sending' AND broadcast.status = 'running')
        ) AND NOT EXISTS (
            SELECT FROM campaigns_dispatch dispatch
            WHERE dispatch.run_id = run.id
              AND dispatch.status IN ('pending', 'leased', 'awaiting', 'stopping'))
    )
    OR EXISTS (
        SELECT FROM campaigns_run run
        JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
        JOIN campaigns_dispatch dispatch ON dispatch.run_id = run.id
        WHERE run.status IN ('sending', 'cancelling') AND dispatch.status = 'awaiting'
          AND (run.status = 'cancelling' OR broadcast.status = 'halted')
    )
"""


def drains_needed(workers: int) -> int:
    """How many drains to wake: as many as there are idle workers, and one to spare.

    Leases of workers that were killed still look alive, so there is always one.
    """
    with connection.cursor() as cursor:
        cursor.execute(DRAIN_WORK)
        live_leases, is_needed = cursor.fetchone()
    return max(1, workers - int(live_leases) + 1) if is_needed else 0


def has_due_welcomes() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM campaigns_welcomedelivery"
            " WHERE status IN ('planned', 'sending') AND due_at <= statement_timestamp())"
        )
        (is_due,) = cursor.fetchone()
    return bool(is_due)


def has_planned_contact_welcomes() -> bool:
    return ContactWelcome.objects.filter(status=WelcomeStatus.PLANNED).exists()
