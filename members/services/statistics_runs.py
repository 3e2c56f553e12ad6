"""Reading the platform's counters once a day: one run of an enterprise, that goes on where it
stopped because what is read is kept."""

from __future__ import annotations

import logging
import time
from datetime import date, datetime
from datetime import time as time_of_day

from communities.services.platform_statistics import days_to_read, read_days
from members.models import DailyRun
from members.rules.daily_runs import DailyRunKind
from members.services.daily_runs import (
    claim_run,
    enterprises_due,
    finish_run,
    keep_run,
    leave_run,
)
from scrm.wecom.client import WecomRefusal
from scrm.wecom.models import WecomConnection

logger = logging.getLogger(__name__)

# Yesterday's are there after six in the morning (WeCom, page 92133).
READ_FROM = time_of_day(6, 30)


def enterprises_to_count(now: datetime) -> list[tuple[int, date]]:
    """Those with a connection to the platform in use; the others have nothing to read."""
    connected = set(WecomConnection.objects.in_use().values_list("enterprise_id", flat=True))
    due = enterprises_due(DailyRunKind.STATISTICS, now, begins=READ_FROM)
    return [(enterprise_id, day) for enterprise_id, day in due if enterprise_id in connected]


def continue_counting(enterprise_id: int, *, day: date, budget: float) -> bool:
    """Read what is missing for ``budget`` seconds. Returns whether it is finished, or to be tried
    again with the next sweep, or with another worker."""
    run = claim_run(DailyRunKind.STATISTICS, enterprise_id, day)
    if run is None:
        return True
    deadline = time.monotonic() + budget
    connections = WecomConnection.objects.in_use().filter(enterprise=enterprise_id)
    try:
        for connection in connections.select_related("account").order_by("pk"):
            for wanted in days_to_read(connection):
                read = read_days(connection, wanted)
                if not _kept(run, days=read.days, refused=read.refused):
                    return True
                if time.monotonic() >= deadline:
                    leave_run(run)
                    return False
    except WecomRefusal as refusal:
        logger.warning(
            "The platform does not tell its counters now.",
            extra={"enterprise_id": enterprise_id, "errcode": refusal.code},
        )
        keep_run(run, lease_until=None, notes={**run.notes, "errcode": refusal.code})
        return True
    finish_run(run)
    return True


def _kept(run: DailyRun, *, days: int, refused: int) -> bool:
    notes = {**run.notes, "days": run.notes.get("days", 0) + days}
    if refused:
        notes["refused"] = run.notes.get("refused", 0) + refused
    return keep_run(run, notes=notes)
