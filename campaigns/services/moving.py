"""The one way a broadcast changes its status when a person asks for it."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from campaigns.errors import CannotMove
from campaigns.models import Broadcast
from campaigns.rules.status import VERB_BEGINS, BroadcastStatus, broadcast_may_become
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot

type Value = str | datetime | User | None


def locked_broadcast(broadcast_id: int) -> Broadcast:
    return Broadcast.objects.select_for_update(no_key=True).get(pk=broadcast_id)


def move_broadcast(
    broadcast: Broadcast, to: BroadcastStatus, *, verb: str, actor: User | None, **fields: Value
) -> Broadcast:
    """Refuse or move a locked broadcast, setting ``fields`` with it, and write who did it."""
    if broadcast.status not in VERB_BEGINS[verb] or not broadcast_may_become(broadcast.status, to):
        raise CannotMove(
            _("“%(current)s”的群发不能变为“%(target)s”。")
            % {"current": broadcast.get_status_display(), "target": to.label}
        )
    changed = {"status": to, "status_reason": "", **fields}
    before = snapshot(broadcast, changed)
    for name, value in changed.items():
        setattr(broadcast, name, value)
    broadcast.save(update_fields=list(changed))
    record_audit(
        actor, verb=verb, subject=broadcast, before=before, after=snapshot(broadcast, changed)
    )
    return broadcast
