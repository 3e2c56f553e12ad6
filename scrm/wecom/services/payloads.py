"""Personal data in callbacks ends: what arrived is forgotten, that something arrived is kept."""

from __future__ import annotations

import time

from django.conf import settings
from django.db import connection as database

BATCH = 1000
SLICE_SECONDS = 20.0

EMPTY = """
WITH old AS MATERIALIZED (
    SELECT id FROM wecom_inboundevent
    WHERE payload_emptied_at IS NULL AND state <> 'waiting'
      AND received_at < statement_timestamp() - make_interval(days => %(days)s)
    ORDER BY received_at
    LIMIT %(most)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE wecom_inboundevent event SET payload = '', payload_emptied_at = statement_timestamp()
FROM old
WHERE event.id = old.id
"""


def empty_old_payloads(*, seconds: float = SLICE_SECONDS, batch: int = BATCH) -> bool:
    """Empty what was settled and is older than ``settings.WECOM_PAYLOAD_DAYS``, for a short while;
    whether there was still something to do at the end."""
    ends_at = time.monotonic() + seconds
    while True:
        with database.cursor() as cursor:
            cursor.execute(EMPTY, {"days": settings.WECOM_PAYLOAD_DAYS, "most": batch})
            if cursor.rowcount < batch:
                return False
        if time.monotonic() > ends_at:
            return True
