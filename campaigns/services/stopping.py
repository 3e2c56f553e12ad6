"""Stopping what waits on the platform for a colleague's confirmation."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from campaigns.errors import CannotStop
from campaigns.models import Dispatch
from campaigns.rules.status import DispatchStatus
from campaigns.services.reminding import locked_dispatch
from campaigns.signals import look_asked
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit


@transaction.atomic
def stop_dispatch(dispatch_id: int, *, actor: User) -> Dispatch:
    """Withdraw what one colleague has not confirmed yet. What was sent stays sent; the platform is
    told at the next look, which is hurried."""
    dispatch = locked_dispatch(dispatch_id)
    if dispatch.status != DispatchStatus.AWAITING:
        raise CannotStop(
            _("“%(status)s”的批次不能停止。") % {"status": dispatch.get_status_display()}
        )
    dispatch.status, dispatch.due_at = DispatchStatus.STOPPING, Now()
    dispatch.save(update_fields=["status", "due_at"])
    record_audit(
        actor,
        verb="stop_dispatch",
        subject=dispatch.run.broadcast,
        after={"run": dispatch.run_id, "sender": dispatch.sender},
    )
    look_asked.send(sender=Dispatch)
    return dispatch
