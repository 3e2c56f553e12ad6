"""Stopping and going on. Every claim reads the status, so nothing new starts after a pause."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import ngettext

from campaigns.models import Broadcast, Dispatch, Run
from campaigns.rules.status import OPEN_RUN, BroadcastStatus, DispatchStatus, RunStatus
from campaigns.services.moving import locked_broadcast, move_broadcast
from campaigns.signals import broadcast_cancelled, broadcast_resumed
from scrm.accounts.models import User


@transaction.atomic
def pause_broadcast(broadcast_id: int, *, actor: User) -> Broadcast:
    return move_broadcast(
        locked_broadcast(broadcast_id), BroadcastStatus.PAUSED, verb="pause_broadcast", actor=actor
    )


@transaction.atomic
def resume_broadcast(broadcast_id: int, *, actor: User) -> Broadcast:
    """Goes on where it stopped: who has a result is not sent to again."""
    broadcast = move_broadcast(
        locked_broadcast(broadcast_id),
        BroadcastStatus.RUNNING,
        verb="resume_broadcast",
        actor=actor,
    )
    broadcast_resumed.send(sender=Broadcast, broadcast_id=broadcast.pk)
    return broadcast


@transaction.atomic
def cancel_broadcast(broadcast_id: int, *, actor: User) -> Broadcast:
    """Final. What is with the channel already is told in ``status_reason`` and still counted."""
    broadcast = move_broadcast(
        locked_broadcast(broadcast_id),
        BroadcastStatus.CANCELLED,
        verb="cancel_broadcast",
        actor=actor,
        scheduled_at=None,
    )
    Run.objects.filter(broadcast=broadcast, status__in=OPEN_RUN).update(
        status=RunStatus.CANCELLING, held_until=None
    )
    in_flight = Dispatch.objects.filter(
        run__broadcast=broadcast, status=DispatchStatus.LEASED
    ).count()
    if in_flight:
        broadcast.status_reason = ngettext(
            "取消时有 %(count)d 个批次正在发送，它们的结果仍会记录。",
            "取消时有 %(count)d 个批次正在发送，它们的结果仍会记录。",
            in_flight,
        ) % {"count": in_flight}
        broadcast.save(update_fields=["status_reason"])
    broadcast_cancelled.send(sender=Broadcast, broadcast_id=broadcast.pk)
    return broadcast
