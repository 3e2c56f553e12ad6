"""Cutting a dispatch that is too large, or of which one recipient may be what breaks us.

The parts are dispatches of their own with keys of their own, so only what was never handed over
may be cut, or what the platform says it never got.
"""

from __future__ import annotations

import logging

from django.db import connection, transaction

from campaigns.models import Run
from campaigns.services.claiming import Claim

logger = logging.getLogger(__name__)

CUT = """
WITH mine AS (
    UPDATE campaigns_dispatch SET
        status = 'pending',
        token = NULL,
        has_tokens = FALSE,
        due_at = statement_timestamp(),
        attempted_at = NULL,
        attempt_count = attempt_count - %(uncounted)s,
        last_error = %(code)s,
        recipient_ids = recipient_ids[1:%(size)s]
    WHERE id = %(id)s AND token = %(token)s AND status = 'leased'
      AND (%(never_arrived)s OR attempted_at IS NULL)
    RETURNING arm, sender, attempt_count, lost_count, last_error
)
INSERT INTO campaigns_dispatch
    (run_id, sequence, recipient_ids, arm, sender, attempt_count, lost_count, last_error)
SELECT %(run)s, %(sequence)s + part, (%(ids)s::bigint[])[part * %(size)s + 1:(part + 1) * %(size)s],
    arm, sender, attempt_count, lost_count, last_error
FROM mine, generate_series(1, (cardinality(%(ids)s::bigint[]) - 1) / %(size)s) part
"""


@transaction.atomic
def cut_dispatch(
    claim: Claim, *, size: int, code: str, never_arrived: bool = False, counted: bool = False
) -> bool:
    """Parts of so many recipients, due at once; False when the lease was lost or a call was made.

    ``never_arrived``: calls were made, but the platform knows of none.
    """
    run = Run.objects.select_for_update(no_key=True).get(pk=claim.run_id)
    with connection.cursor() as cursor:
        cursor.execute(
            CUT,
            {
                "id": claim.dispatch_id,
                "token": claim.token,
                "run": claim.run_id,
                "ids": claim.recipient_ids,
                "size": size,
                "sequence": run.dispatch_count - 1,
                "code": code,
                "never_arrived": never_arrived,
                "uncounted": 0 if counted else 1,
            },
        )
        added = int(cursor.rowcount)
    if not added:
        return False
    run.dispatch_count += added
    run.save(update_fields=["dispatch_count"])
    logger.info("A dispatch was cut.", extra={"dispatch_id": claim.dispatch_id, "code": code})
    return True
