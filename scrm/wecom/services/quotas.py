"""How much of the platform's limits a company has used, by interface and day."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from scrm.wecom.client.usage import ApiUsage

logger = logging.getLogger(__name__)

BEIJING = ZoneInfo("Asia/Shanghai")  # the platform's day

_ADD_USAGE = """
INSERT INTO wecom_apiquota AS quota (
    connection_id, api, day, call_count, refused_count, slowest_ms, last_code, last_refused_at,
    parked_until
)
SELECT %s, used.api, %s, used.calls, used.refused, used.slowest_ms, used.last_code,
       used.last_refused_at, used.parked_until
FROM unnest(
    %s::text[], %s::int[], %s::int[], %s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[]
) AS used (api, calls, refused, slowest_ms, last_code, last_refused_at, parked_until)
WHERE EXISTS (SELECT FROM wecom_wecomconnection WHERE id = %s)
ORDER BY used.api
ON CONFLICT (connection_id, api, day) DO UPDATE SET
    call_count = quota.call_count + excluded.call_count,
    refused_count = quota.refused_count + excluded.refused_count,
    slowest_ms = GREATEST(quota.slowest_ms, excluded.slowest_ms),
    last_code = CASE WHEN excluded.last_refused_at IS NULL THEN quota.last_code
                     ELSE excluded.last_code END,
    last_refused_at = COALESCE(excluded.last_refused_at, quota.last_refused_at),
    parked_until = COALESCE(GREATEST(quota.parked_until, excluded.parked_until),
                            quota.parked_until)
"""


def record_usage(connection_id: int, *, usages: Sequence[ApiUsage]) -> None:
    """Add what one session of calls used to today's figures. It is bookkeeping: when the database
    does not take it, the work that was done still counts."""
    if not usages:
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                _ADD_USAGE,
                [
                    connection_id,
                    beijing_day(timezone.now()),
                    [each.api for each in usages],
                    [each.calls for each in usages],
                    [each.refused for each in usages],
                    [each.slowest_ms for each in usages],
                    [each.last_code for each in usages],
                    [each.last_refused_at for each in usages],
                    [each.parked_until for each in usages],
                    connection_id,
                ],
            )
    except DatabaseError:
        logger.exception("The usage of WeCom was not recorded.")


def beijing_day(instant: datetime) -> date:
    return instant.astimezone(BEIJING).date()
