"""How a broadcast of the made-up customer is written, approved and sent: by the real engine."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from campaigns.models import Broadcast, Run
from campaigns.rules.status import BroadcastStatus, DispatchStatus
from campaigns.services.approving import approve_broadcast, submit_broadcast
from campaigns.services.composing import create_broadcast
from campaigns.services.draining import drain_slice
from campaigns.services.forecasting import freeze_forecast
from campaigns.services.scheduling import schedule_broadcast, start_broadcast
from scrm.demo.backdating import date_back, reach_who_left_since, take_stock
from scrm.demo.contents import Content
from scrm.demo.founding import Founded
from scrm.shared.clock import database_now
from scrm.wecom.services.channel_accounts import edit_channel_account

A_MOMENT = timedelta(seconds=1)
SLOWLY = 300  # milliseconds of a call, so that one turn sends just one batch


def compose(founded: Founded, content: Content, *codes: str, **more: Any) -> Broadcast:
    return create_broadcast(
        actor=founded.users["yunying"],
        name=content.name,
        category=content.category,
        body=content.body,
        target=content.target,
        criterion=content.criterion,
        override_reason=content.override_reason,
        cost_amount=content.cost_amount,
        misfire_policy=content.misfire_policy,
        communities=[founded.communities[code] for code in codes],
        channel_account=founded.sandbox,
        **more,
    )


def submitted(founded: Founded, broadcast: Broadcast) -> Broadcast:
    return submit_broadcast(broadcast.pk, actor=founded.users["yunying"])


def approved(founded: Founded, broadcast: Broadcast) -> Broadcast:
    """By as many as it needs: a message to everybody needs two."""
    submitted(founded, broadcast)
    for approver in (founded.users["shenhe"], founded.admin):
        broadcast = approve_broadcast(broadcast.pk, actor=approver, accepts_override=True)
        if broadcast.status == BroadcastStatus.APPROVED:
            break
    return broadcast


def scheduled(founded: Founded, broadcast: Broadcast, at: datetime | None = None) -> Broadcast:
    approved(founded, broadcast)
    return schedule_broadcast(broadcast.pk, actor=founded.users["yunying"], scheduled_at=at)


def started(broadcast: Broadcast) -> Run:
    """Now, whatever time it waits for."""
    now = database_now()
    Broadcast.objects.filter(pk=broadcast.pk).update(scheduled_at=now - A_MOMENT)
    run = start_broadcast(broadcast.pk)
    if run is None:
        raise RuntimeError(f"Broadcast {broadcast.pk} did not start.")
    freeze_forecast(run.pk)
    return run


def sent(broadcast: Broadcast, *, at: datetime) -> Run:
    """A run to the end, as if it had been sent then."""
    run = started(broadcast)
    while drain_slice():
        pass
    date_back(run, at)
    if broadcast.target == "members":
        reach_who_left_since(run)
    return run


def finished(broadcast: Broadcast, *, at: datetime) -> Run:
    """The same, and what came of it."""
    run = sent(broadcast, at=at)
    take_stock(run)
    return run


def half_sent(founded: Founded, broadcast: Broadcast) -> Run:
    """After the first batch: through a slow channel one turn sends just one."""
    run = started(broadcast)
    edit_channel_account(founded.sandbox.pk, actor=founded.admin, delay_ms=SLOWLY)
    while not run.dispatches.filter(status=DispatchStatus.DONE).exists():
        drain_slice(seconds=0.05)
    edit_channel_account(founded.sandbox.pk, actor=founded.admin, delay_ms=0)
    return run
