"""Stopping and going on. Every claim reads the status, so nothing new starts after a pause."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.errors import CannotResume, ReasonMissing
from campaigns.models import Broadcast, Dispatch, Run
from campaigns.rules.status import OPEN_RUN, BroadcastStatus, DispatchStatus, RunStatus
from campaigns.selectors.progress import progress_of
from campaigns.services.freezing import is_early
from campaigns.services.moving import locked_broadcast, move_broadcast
from campaigns.signals import broadcast_cancelled, broadcast_halted, broadcast_resumed
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability

REASON_LENGTH = 300


@transaction.atomic
def pause_broadcast(broadcast_id: int, *, actor: User | None, reason: str = "") -> Broadcast:
    """No call begins after this. Without an actor the broadcast paused itself, for ``reason``."""
    return move_broadcast(
        locked_broadcast(broadcast_id),
        BroadcastStatus.PAUSED,
        verb="pause_broadcast",
        actor=actor,
        status_reason=reason[:REASON_LENGTH],
    )


@transaction.atomic
def halt_broadcast(broadcast_id: int, *, actor: User | None, code: str, reason: str) -> Broadcast:
    """Stop at once because something is wrong: ``code`` says what, ``reason`` says it to people.
    What waits at the platform is stopped there."""
    broadcast = move_broadcast(
        locked_broadcast(broadcast_id),
        BroadcastStatus.HALTED,
        verb="halt_broadcast",
        actor=actor,
        status_reason=reason[:REASON_LENGTH],
    )
    stop_awaiting(broadcast)
    broadcast_halted.send(sender=Broadcast, broadcast_id=broadcast.pk, code=code)
    return broadcast


@transaction.atomic
def resume_broadcast(broadcast_id: int, *, actor: User, reason: str = "") -> Broadcast:
    """Goes on where it stopped: who has a result is not sent to again. A halted one goes on by
    the word and the reason of somebody who approves broadcasts."""
    broadcast = locked_broadcast(broadcast_id)
    if broadcast.status == BroadcastStatus.HALTED:
        if not actor.can(Capability.APPROVE_CAMPAIGNS):
            raise CannotResume(_("已叫停的群发只能由有审批权限的同事恢复。"))
        if not reason.strip():
            raise ReasonMissing(_("请写明为什么可以继续发送。"))
    _forgive_failures(broadcast)
    begun = Run.objects.open().filter(broadcast=broadcast).exclude(is_early()).exists()
    waits = broadcast.scheduled_at is not None and not begun
    if not waits and not begun:
        raise CannotResume(_("没有可以继续的：错过的那一次请选择补发或不发，或者取消这条群发。"))
    move_broadcast(
        broadcast,
        BroadcastStatus.SCHEDULED if waits else BroadcastStatus.RUNNING,
        verb="resume_broadcast",
        actor=actor,
        status_reason=reason[:REASON_LENGTH],
    )
    broadcast_resumed.send(sender=Broadcast, broadcast_id=broadcast.pk)
    return broadcast


def _forgive_failures(broadcast: Broadcast) -> None:
    """What has failed so far counts no more towards the budget: somebody has looked at it."""
    for run in Run.objects.open().filter(broadcast=broadcast):
        run.forgiven_count = progress_of(run.pk).failed
        run.save(update_fields=["forgiven_count"])


def stop_awaiting(broadcast: Broadcast) -> int:
    """What waits for somebody's word at the platform is to be stopped there; how many calls."""
    awaiting = Dispatch.objects.filter(
        run__broadcast=broadcast, status=DispatchStatus.AWAITING
    ).order_by("pk")
    ids = list(awaiting.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
    return Dispatch.objects.filter(pk__in=ids).update(status=DispatchStatus.STOPPING, due_at=Now())


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
    stop_awaiting(broadcast)
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
