"""A broadcast that fails too often stops by itself, before it has failed for everybody."""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.models import Run
from campaigns.rules.budgets import is_over_budget
from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.progress import progress_of
from campaigns.services.controlling import pause_broadcast
from campaigns.services.moving import locked_broadcast

logger = logging.getLogger(__name__)


def keep_to_budget(run_id: int) -> bool:
    """Pause the broadcast of a run when its failures are over its budget; whether it was paused.

    What had failed when somebody last let it go on is forgiven.
    """
    run = Run.objects.select_related("broadcast").get(pk=run_id)
    if not _is_over(run) or run.broadcast.status != BroadcastStatus.RUNNING:
        return False
    with transaction.atomic():
        broadcast = locked_broadcast(run.broadcast_id)
        if broadcast.status != BroadcastStatus.RUNNING:
            return False
        pause_broadcast(
            broadcast.pk,
            actor=None,
            reason=_("失败超过 %(percent)d%%，已自动暂停。请看失败原因，处理后再恢复。")
            % {"percent": broadcast.error_budget_percent},
        )
    logger.warning("A broadcast is over its error budget.", extra={"run_id": run_id})
    return True


def _is_over(run: Run) -> bool:
    progress = progress_of(run.pk)
    return is_over_budget(
        failed=progress.failed - run.forgiven_count,
        settled=progress.settled,
        total=progress.total,
        percent=run.broadcast.error_budget_percent,
    )
