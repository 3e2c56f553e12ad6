from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.errors import AudienceEmpty, CannotMove, ChannelIsOff, TimeIsPast
from campaigns.models import Broadcast, Run
from campaigns.rules.status import BroadcastStatus, MisfirePolicy, RunStatus
from campaigns.services.scheduling import (
    schedule_broadcast,
    start_due_broadcasts,
    unschedule_broadcast,
)
from tests.campaigns.broadcasts import due_broadcast

SOON = timedelta(minutes=5)


def approved_broadcast(**values):
    return due_broadcast(status=BroadcastStatus.APPROVED, scheduled_at=None, **values)


@pytest.mark.django_db
def test_schedule_sets_the_due_row():
    broadcast = approved_broadcast()
    when = timezone.now() + SOON

    schedule_broadcast(broadcast.pk, actor=broadcast.author, scheduled_at=when)

    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.scheduled_at) == (BroadcastStatus.SCHEDULED, when)
    assert start_due_broadcasts() == []  # not yet


@pytest.mark.django_db
def test_schedule_without_a_time_begins_at_once():
    broadcast = approved_broadcast()

    schedule_broadcast(broadcast.pk, actor=broadcast.author)

    assert len(start_due_broadcasts()) == 1


@pytest.mark.django_db
def test_schedule_refuses_the_past():
    broadcast = approved_broadcast()

    with pytest.raises(TimeIsPast):
        schedule_broadcast(
            broadcast.pk, actor=broadcast.author, scheduled_at=timezone.now() - timedelta(seconds=1)
        )


@pytest.mark.django_db
def test_schedule_refuses_an_empty_audience_and_leaves_no_trace():
    broadcast = approved_broadcast(members=0)

    with pytest.raises(AudienceEmpty):
        schedule_broadcast(broadcast.pk, actor=broadcast.author, scheduled_at=timezone.now() + SOON)

    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.scheduled_at) == (BroadcastStatus.APPROVED, None)


@pytest.mark.django_db
def test_schedule_refuses_a_channel_that_is_off():
    broadcast = approved_broadcast(channel_account__is_active=False)

    with pytest.raises(ChannelIsOff):
        schedule_broadcast(broadcast.pk, actor=broadcast.author)


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["draft", "in_review", "running", "completed", "cancelled"])
def test_schedule_needs_an_approval(status):
    broadcast = approved_broadcast()
    Broadcast.objects.filter(pk=broadcast.pk).update(status=status)

    with pytest.raises(CannotMove):
        schedule_broadcast(broadcast.pk, actor=broadcast.author)


@pytest.mark.django_db
def test_unscheduled_it_does_not_begin_and_stays_approved():
    broadcast = due_broadcast()

    unschedule_broadcast(broadcast.pk, actor=broadcast.author)

    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.scheduled_at) == (BroadcastStatus.APPROVED, None)
    assert start_due_broadcasts() == []


@pytest.mark.django_db
def test_what_is_due_begins_once():
    broadcast = due_broadcast()

    assert len(start_due_broadcasts()) == 1
    assert start_due_broadcasts() == []

    run = Run.objects.get()
    assert (run.broadcast, run.planned_for) == (broadcast, broadcast.scheduled_at)
    assert run.status == RunStatus.FREEZING


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("policy", "late", "status", "runs"),
    [
        (MisfirePolicy.RUN_LATE, timedelta(minutes=59), BroadcastStatus.RUNNING, 1),
        (MisfirePolicy.RUN_LATE, timedelta(minutes=61), BroadcastStatus.FAILED, 0),
        (MisfirePolicy.SKIP, timedelta(seconds=50), BroadcastStatus.RUNNING, 1),
        (MisfirePolicy.SKIP, timedelta(minutes=2), BroadcastStatus.CANCELLED, 0),
    ],
)
def test_a_missed_time_is_decided_and_told(policy, late, status, runs):
    broadcast = due_broadcast(misfire_policy=policy, scheduled_at=timezone.now() - late)

    assert len(start_due_broadcasts()) == runs

    broadcast.refresh_from_db()
    assert broadcast.status == status
    assert bool(broadcast.status_reason) == (runs == 0)


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_at_once_begin_it_once():
    due_broadcast()

    def sweep(_):
        try:
            return start_due_broadcasts()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        begun = [run for runs in threads.map(sweep, range(4)) for run in runs]

    assert len(begun) == Run.objects.count() == 1
