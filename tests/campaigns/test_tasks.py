"""Wake-ups: how many, when, and that losing them loses nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerDown

from campaigns import tasks
from campaigns.models import Broadcast, Dispatch, Run
from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.work import drains_needed
from campaigns.services.claiming import claim_dispatch
from campaigns.services.controlling import pause_broadcast
from scrm.schedule import SCHEDULE
from tests.campaigns.broadcasts import drain, due_broadcast, started
from tests.campaigns.test_sending import sending

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture
def woken(monkeypatch):
    """What would have gone to the broker."""
    names = []
    for task in (tasks.drain_dispatches, tasks.send_due_welcomes):
        monkeypatch.setattr(
            task,
            "apply_async",
            lambda _args, *, expires, name=task.name: names.append((name, expires)),
        )
    return names


def test_as_many_drains_are_woken_as_there_are_idle_workers_and_one(woken, settings, channel):
    settings.DRAIN_WORKERS = 3
    channel.batch_limit = 1
    sending(members=5)
    channel.batch_limit = 1000
    claim_dispatch()
    claim_dispatch()

    tasks.sweep_dispatches()

    assert woken == [("campaigns.drain_dispatches", 4)] * 2


def test_nobody_is_woken_for_nothing(woken):
    broadcast = due_broadcast()
    tasks.sweep_dispatches()
    tasks.sweep_welcomes()
    started(broadcast)
    drain()
    tasks.sweep_dispatches()

    assert woken == []


def test_what_is_paused_held_or_leased_wakes_nobody(channel):
    run = sending()
    assert drains_needed(1) == 2
    Run.objects.update(held_until=timezone.now() + 60 * SECOND)
    assert drains_needed(1) == 0
    Run.objects.update(held_until=None)
    claim_dispatch()
    assert drains_needed(1) == 0
    Dispatch.objects.update(due_at=timezone.now() - SECOND)
    assert drains_needed(1) == 2
    pause_broadcast(run.broadcast_id, actor=run.broadcast.author)
    assert drains_needed(1) == 0


def test_a_run_that_only_has_to_be_closed_is_found(channel):
    sending()
    drain()
    Broadcast.objects.update(status=BroadcastStatus.RUNNING)
    Run.objects.update(status="sending")

    assert drains_needed(1) == 2
    drain()
    assert Broadcast.objects.get().status == BroadcastStatus.COMPLETED
    assert drains_needed(1) == 0


def test_a_drain_with_work_left_wakes_the_next(woken, monkeypatch):
    monkeypatch.setattr(tasks, "drain_slice", lambda: True)

    tasks.drain_dispatches()

    assert woken == [("campaigns.drain_dispatches", 4)]


def test_without_a_broker_waking_is_no_error(monkeypatch):
    def fail(*_, **__):
        raise BrokerDown

    monkeypatch.setattr(tasks.drain_dispatches, "apply_async", fail)

    tasks.wake(tasks.drain_dispatches)


def test_starting_hurries_a_drain_after_the_commit(woken, django_capture_on_commit_callbacks):
    broadcast = due_broadcast()

    with django_capture_on_commit_callbacks(execute=True):
        started(broadcast)

    assert woken == [("campaigns.drain_dispatches", 4)]


def test_the_sweeps_are_on_the_schedule():
    names = {entry["task"] for entry in SCHEDULE.values()}

    assert {
        "campaigns.sweep_due_broadcasts",
        "campaigns.sweep_dispatches",
        "campaigns.sweep_welcomes",
    } <= names


def test_each_sweep_moves_the_stuck_and_leaves_what_is_a_second_too_young(channel):
    """1,000 dispatches whose lease has run out, and 1,000 whose lease runs a second more."""
    channel.batch_limit = 1
    run = sending(members=1)
    channel.batch_limit = 1000
    pk = Dispatch.objects.get().recipient_ids[0]
    Dispatch.objects.all().delete()
    now = timezone.now()
    Dispatch.objects.bulk_create(
        Dispatch(
            run=run,
            sequence=n,
            recipient_ids=[pk],
            status="leased",
            due_at=now - SECOND if n < 100 else now + 3600 * SECOND,
        )
        for n in range(200)
    )

    drain()

    assert Dispatch.objects.filter(status="done", sequence__lt=100).count() == 100
    assert Dispatch.objects.filter(status="leased", sequence__gte=100).count() == 100
