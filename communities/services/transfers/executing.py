"""One slice of everything that a worker does for hand-overs: look up, send, ask, verify."""

from __future__ import annotations

import time

from django.db import connection as database

from communities.services.transfers.claims import lose_expired
from communities.services.transfers.communities import communities_wait, hand_over_communities
from communities.services.transfers.results import ask_for_results
from communities.services.transfers.sending import send_batch
from communities.services.transfers.verifying import look_at_chats
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.limits import CHATS_HANDED_OVER_A_DAY

SLICE_SECONDS = 5.0
#: At most so many workers at once: they wait for the platform, and others must not wait for them.
WORKERS = 2

# Companies in use with something to send, to look up or to ask about, in any order, so that none
# waits for the rest. Chats of somebody whose share of the platform's day is used up do not count.
WITH_WORK = """
SELECT connection.id FROM wecom_wecomconnection connection
WHERE connection.state <> 'paused' AND (
    EXISTS (
        SELECT FROM communities_transferitem item
        WHERE item.channel_account_id = connection.account_id AND item.state = 'queued'
          AND (item.due_at IS NULL OR item.due_at <= statement_timestamp())
          AND NOT (item.subject = 'chat' AND item.giver_id = ANY(ARRAY(
              SELECT quota.giver_id FROM communities_transferquota quota
              WHERE quota.channel_account_id = connection.account_id
                AND (quota.is_exhausted OR quota.used >= %(most)s)
                AND quota.day = ((statement_timestamp() + CASE connection.platform
                    WHEN 'simulator' THEN connection.clock_ahead ELSE interval '0' END)
                    AT TIME ZONE 'Asia/Shanghai')::date
          )))
    ) OR connection.account_id IN (
        SELECT item.channel_account_id FROM communities_transferitem item
        WHERE item.state IN ('unknown', 'accepted') AND item.due_at <= statement_timestamp()
    )
)
ORDER BY random()
"""

BUSY = """
SELECT count(DISTINCT token) FROM communities_transferitem
WHERE state IN ('sending', 'unknown', 'accepted') AND token IS NOT NULL
  AND due_at > statement_timestamp()
"""

LOST = """
SELECT EXISTS (
    SELECT FROM communities_transferitem
    WHERE state = 'sending' AND due_at <= statement_timestamp()
)
"""

WAKE = """
WITH waiting AS MATERIALIZED (
    SELECT item.id FROM communities_transferitem item
    JOIN wecom_wecomconnection connection ON connection.account_id = item.channel_account_id
    WHERE connection.id = %s AND item.state IN ('unknown', 'accepted') AND item.token IS NULL
      AND item.due_at > statement_timestamp()
    FOR NO KEY UPDATE OF item SKIP LOCKED
)
UPDATE communities_transferitem item SET due_at = statement_timestamp()
FROM waiting
WHERE item.id = waiting.id
"""


def transfers_are_due() -> bool:
    """Whether something is due and fewer workers than are allowed are at it."""
    with database.cursor() as cursor:
        cursor.execute(BUSY)
        (workers,) = cursor.fetchone()
        if workers >= WORKERS:
            return False
        cursor.execute(LOST)
        (is_lost,) = cursor.fetchone()
    return is_lost or communities_wait() or bool(_connections_with_work())


def run_due_transfers(*, limit: int = 1000, seconds: float = float("inf")) -> bool:
    """Do what is due, at most so many steps or for so long, in the caller's process and outside
    a transaction; whether something was done. A step is one call for one company, or a look at
    what was read."""
    ends_at, steps = time.monotonic() + seconds, 0
    while steps < limit and time.monotonic() < ends_at:
        done = _round(ends_at)
        if not done:
            break
        steps += done
    return steps > 0


def wake_what_waits(connection_id: int) -> None:
    """The clock of the platform was moved: whatever waits for it is looked at now."""
    with database.cursor() as cursor:
        cursor.execute(WAKE, [connection_id])


def _round(ends_at: float) -> int:
    """Something of every company that has something; how many steps it was."""
    done = lose_expired() + hand_over_communities()
    for connection_id in _connections_with_work():
        if time.monotonic() > ends_at:
            break
        done += _step(connection_id)
    return done


def _step(connection_id: int) -> int:
    connections = WecomConnection.objects.select_related("account", "enterprise")
    connection = connections.get(pk=connection_id)
    looked = bool(look_at_chats(connection))
    return looked + bool(ask_for_results(connection)) + send_batch(connection)


def _connections_with_work() -> list[int]:
    with database.cursor() as cursor:
        cursor.execute(WITH_WORK, {"most": CHATS_HANDED_OVER_A_DAY})
        return [connection_id for (connection_id,) in cursor.fetchall()]
