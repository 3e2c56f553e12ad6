"""When a broadcast runs. The row that is due is the schedule; nothing waits in a broker."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import AudienceEmpty, ChannelIsOff, TimeIsPast
from campaigns.models import Broadcast, Run
from campaigns.rules.schedule import Misfire, misfire_of
from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.audience import is_empty
from campaigns.services.moving import locked_broadcast, move_broadcast
from campaigns.signals import broadcast_started
from scrm.accounts.models import User
from scrm.shared.clock import database_now

logger = logging.getLogger(__name__)

SWEEP_LIMIT = 100


@transaction.atomic
def schedule_broadcast(
    broadcast_id: int, *, actor: User, scheduled_at: datetime | None = None
) -> Broadcast:
    """At a time to come, or without one as soon as possible."""
    broadcast = locked_broadcast(broadcast_id)
    now = database_now()
    if scheduled_at is not None and scheduled_at <= now:
        raise TimeIsPast(_("计划时间已经过去，请选择将来的时间。"))
    if not broadcast.channel_account.is_active:
        name = broadcast.channel_account.name
        raise ChannelIsOff(_("渠道账号“%(name)s”已停用。") % {"name": name})
    move_broadcast(
        broadcast,
        BroadcastStatus.SCHEDULED,
        verb="schedule_broadcast",
        actor=actor,
        scheduled_at=scheduled_at or now,
    )
    if is_empty(broadcast, as_of=now):
        raise AudienceEmpty(_("没有符合条件的收件人，请检查社群和人群条件。"))
    return broadcast


@transaction.atomic
def unschedule_broadcast(broadcast_id: int, *, actor: User) -> Broadcast:
    return move_broadcast(
        locked_broadcast(broadcast_id),
        BroadcastStatus.APPROVED,
        verb="unschedule_broadcast",
        actor=actor,
        scheduled_at=None,
    )


def start_due_broadcasts() -> list[int]:
    """Begin what is due; returns the runs begun. Any number of these at once begin each once."""
    due = Broadcast.objects.due(database_now()).order_by("scheduled_at", "pk")
    runs = (start_broadcast(pk) for pk in due.values_list("pk", flat=True)[:SWEEP_LIMIT])
    return [run.pk for run in runs if run is not None]


@transaction.atomic
def start_broadcast(broadcast_id: int) -> Run | None:
    """Begin one that is due, or note that its time was missed."""
    now = database_now()
    broadcast = (
        Broadcast.objects.due(now)
        .select_for_update(no_key=True, skip_locked=True)
        .filter(pk=broadcast_id)
        .first()
    )
    if broadcast is None or broadcast.scheduled_at is None:
        return None  # somebody else has begun it, or it was taken back
    misfire = misfire_of(
        broadcast.misfire_policy,
        late_by=now - broadcast.scheduled_at,
        grace=timedelta(minutes=broadcast.misfire_grace_minutes),
    )
    if misfire is not None:
        _note_missed(broadcast, misfire)
        return None
    run = Run.objects.create(broadcast=broadcast, planned_for=broadcast.scheduled_at)
    move_broadcast(
        broadcast,
        BroadcastStatus.RUNNING,
        verb="start_broadcast",
        actor=None,
        scheduled_at=None,  # it is not due again
    )
    broadcast_started.send(sender=Broadcast, broadcast_id=broadcast.pk, run_id=run.pk)
    logger.info("A broadcast has begun.", extra={"broadcast_id": broadcast.pk, "run_id": run.pk})
    return run


def _note_missed(broadcast: Broadcast, misfire: Misfire) -> None:
    move_broadcast(
        broadcast,
        misfire.becomes,
        verb="miss_broadcast",
        actor=None,
        status_reason=misfire.reason,
    )
    logger.warning("A broadcast missed its time.", extra={"broadcast_id": broadcast.pk})
