"""Nothing sleeps for ever: what is stuck moves, and what is merely busy is left alone."""

from datetime import timedelta
from uuid import uuid4

import pytest

from campaigns.models import Broadcast, Dispatch
from campaigns.rules.status import BroadcastStatus, DispatchStatus
from campaigns.selectors.progress import counted_deliveries
from campaigns.selectors.work import drains_needed
from campaigns.services.draining import drain_slice
from campaigns.services.scheduling import start_due_broadcasts
from scrm.shared.clock import database_now
from tests.campaigns.broadcasts import drain, due_broadcast, started
from tests.chaos.scale import of

pytestmark = pytest.mark.django_db

STUCK, BUSY = of((12, 12), (1000, 1000))
A_MOMENT_AGO, SOON = timedelta(seconds=-1), timedelta(seconds=60)


def lease(dispatches, *, ends_in):
    """As a worker left them that took them and was never heard of again."""
    Dispatch.objects.filter(pk__in=dispatches).update(
        status=DispatchStatus.LEASED,
        token=uuid4(),
        due_at=database_now() + ends_in,
        attempt_count=1,
    )


def test_every_lease_that_has_run_out_is_taken_and_none_that_still_runs(channel, monkeypatch):
    monkeypatch.setattr(channel, "batch_limit", 1)
    run = started(due_broadcast(members=STUCK + BUSY, channel_account__kind="fake"))
    drain_slice(seconds=0)  # freezes, and sends nothing
    ids = list(run.dispatches.order_by("pk").values_list("pk", flat=True))
    stuck, busy = ids[:STUCK], ids[STUCK:]
    lease(stuck, ends_in=A_MOMENT_AGO)
    lease(busy, ends_in=SOON)

    assert drains_needed(2) > 0
    drain()
    assert drains_needed(2) == 0
    drain()

    states = dict(run.dispatches.values_list("pk", "status"))
    assert len(busy) == BUSY
    assert {states[pk] for pk in stuck} == {DispatchStatus.DONE}
    assert {states[pk] for pk in busy} == {DispatchStatus.LEASED}
    assert counted_deliveries(run.pk)["delivered"] == len(channel.sent) == STUCK


def test_every_due_broadcast_begins_and_none_whose_time_has_not_come():
    first = due_broadcast(members=1)
    community = first.communities.get()
    due = [first.pk] + [due_broadcast(members=0, community=community).pk for _ in range(4)]
    early = [
        due_broadcast(members=0, community=community, scheduled_at=database_now() + SOON).pk
        for _ in range(5)
    ]

    begun = start_due_broadcasts()

    assert len(begun) == len(due)
    assert start_due_broadcasts() == []
    states = dict(Broadcast.objects.values_list("pk", "status"))
    assert {states[pk] for pk in due} == {BroadcastStatus.RUNNING}
    assert {states[pk] for pk in early} == {BroadcastStatus.SCHEDULED}
