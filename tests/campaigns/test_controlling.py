from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from campaigns.channels.protocol import OutcomeUnknown
from campaigns.errors import CannotMove
from campaigns.models import Broadcast, Dispatch, SendPolicy
from campaigns.rules.status import VERB_BEGINS, BroadcastStatus, RunStatus
from campaigns.selectors.contents import digest_of
from campaigns.selectors.progress import counted_deliveries, progress_of
from campaigns.selectors.work import drains_needed
from campaigns.services.approving import (
    approve_broadcast,
    return_broadcast_to_draft,
    submit_broadcast,
)
from campaigns.services.claiming import begin_call, claim_dispatch
from campaigns.services.controlling import (
    cancel_broadcast,
    halt_broadcast,
    pause_broadcast,
    resume_broadcast,
)
from campaigns.services.draining import drain_slice
from campaigns.services.scheduling import schedule_broadcast, unschedule_broadcast
from scrm.accounts.rules.roles import Role
from tests.campaigns.broadcasts import colleague_of, drain, due_broadcast, started, states_of
from tests.campaigns.fake_channel import delivered
from tests.campaigns.test_sending import let_time_pass, sending

pytestmark = pytest.mark.django_db


def in_batches_of(channel, size, **values):
    channel.batch_limit = size
    run = sending(**values)
    channel.batch_limit = 1000
    return run


def act_during_first_call(channel, verb, broadcast):
    def act(_):
        channel.meanwhile = lambda _: None
        verb(broadcast.pk, actor=broadcast.author)

    channel.meanwhile = act


def test_after_a_pause_no_call_begins_and_the_one_under_way_is_counted(channel):
    run = in_batches_of(channel, 2, members=6)
    act_during_first_call(channel, pause_broadcast, run.broadcast)

    drain()

    assert len(channel.sent) == 1
    assert progress_of(run.pk).delivered == 2
    assert Broadcast.objects.get().status == BroadcastStatus.PAUSED


def test_resuming_sends_the_rest_and_nobody_twice(channel):
    run = in_batches_of(channel, 2, members=6)
    act_during_first_call(channel, pause_broadcast, run.broadcast)
    drain()

    resume_broadcast(run.broadcast_id, actor=run.broadcast.author)
    drain()

    reached = [m.recipient_ref for envelope in channel.sent for m in envelope.messages]
    assert len(reached) == len(set(reached)) == 6
    assert Broadcast.objects.get().status == BroadcastStatus.COMPLETED


def test_a_pause_while_the_last_call_is_under_way_ends_with_the_resuming(channel):
    run = sending()
    act_during_first_call(channel, pause_broadcast, run.broadcast)
    drain()
    assert Broadcast.objects.get().status == BroadcastStatus.PAUSED

    resume_broadcast(run.broadcast_id, actor=run.broadcast.author)
    drain()

    assert Broadcast.objects.get().status == BroadcastStatus.COMPLETED
    assert len(channel.sent) == 1


def test_cancelling_stops_the_rest_and_says_what_is_under_way(channel):
    run = in_batches_of(channel, 2, members=6)
    act_during_first_call(channel, cancel_broadcast, run.broadcast)

    drain()

    broadcast = Broadcast.objects.get()
    run.refresh_from_db()
    assert (broadcast.status, run.status) == (BroadcastStatus.CANCELLED, RunStatus.CANCELLED)
    assert broadcast.status_reason == "取消时有 1 个批次正在发送，它们的结果仍会记录。"
    counted, progress = counted_deliveries(run.pk), progress_of(run.pk)
    assert (counted["delivered"], counted["cancelled"]) == (2, 4)
    assert (progress.delivered, progress.cancelled, progress.planned) == (2, 4, 0)


def test_cancelling_while_the_audience_is_frozen_leaves_nobody_planned(channel):
    broadcast = due_broadcast(channel_account__kind="fake")
    run = started(broadcast)

    cancel_broadcast(broadcast.pk, actor=broadcast.author)
    drain()

    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert channel.sent == []


@pytest.mark.parametrize(
    ("word", "state"),
    [
        (delivered, ("delivered", "")),
        (None, ("cancelled", "")),
        (OutcomeUnknown("cannot_look_up"), ("failed", "outcome_unknown")),
    ],
)
def test_what_a_dead_worker_left_in_a_cancelled_run_is_looked_up_and_never_sent(
    channel, word, state
):
    run = sending()
    begin_call(claim_dispatch())  # and the worker dies
    cancel_broadcast(run.broadcast_id, actor=run.broadcast.author)
    drain()
    assert Dispatch.objects.open().count() == 1  # the lease still runs
    channel.word = word
    let_time_pass()

    drain()

    assert channel.sent == []
    assert set(states_of(run).values()) == {state}
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED


def test_a_scheduled_broadcast_can_be_cancelled_and_does_not_begin():
    broadcast = due_broadcast()

    cancel_broadcast(broadcast.pk, actor=broadcast.author)
    drain_slice()

    assert not broadcast.runs.exists()


EVERYBODY = {"metric": "purchase_count", "op": "gte", "value": 0, "window_days": 30}

VERBS = {
    "submit_broadcast": submit_broadcast,
    "approve_broadcast": approve_broadcast,
    "return_broadcast_to_draft": return_broadcast_to_draft,
    "schedule_broadcast": schedule_broadcast,
    "unschedule_broadcast": unschedule_broadcast,
    "pause_broadcast": pause_broadcast,
    "resume_broadcast": partial(resume_broadcast, reason="查过了，可以继续"),
    "halt_broadcast": partial(halt_broadcast, code="by_hand", reason="内容有误"),
    "cancel_broadcast": cancel_broadcast,
}


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize("status", BroadcastStatus)
def test_every_verb_begins_where_it_may_and_nowhere_else(name, status):
    broadcast = due_broadcast(members=1, criterion=EVERYBODY)
    Broadcast.objects.filter(pk=broadcast.pk).update(status=status, approved_by=None)
    reviewer = colleague_of(broadcast.author, role=Role.ADMINISTRATOR)

    try:
        VERBS[name](broadcast.pk, actor=reviewer)
        moved = True
    except CannotMove:
        moved = False

    broadcast.refresh_from_db()
    assert moved == (status in VERB_BEGINS[name])
    assert (broadcast.status != status) == moved


def test_what_changed_after_its_approval_is_halted_before_anybody_gets_it(channel):
    run = sending()
    broadcast = run.broadcast
    digest = digest_of(broadcast)
    Broadcast.objects.update(content_digest=digest, body="别的内容")

    drain()

    assert channel.sent == []
    assert Broadcast.objects.get().status == BroadcastStatus.HALTED
    assert "批准之后" in Broadcast.objects.get().status_reason
    Broadcast.objects.update(body=broadcast.body)
    resume_broadcast(broadcast.pk, actor=broadcast.author, reason="改回去了")
    drain()
    assert set(states_of(run).values()) == {("delivered", "")}


def test_in_quiet_hours_a_run_waits_until_they_end(channel):
    run = sending(category="promotion")
    enterprise = run.broadcast.enterprise
    now = timezone.localtime(timezone=enterprise.zone)
    SendPolicy.objects.create(
        enterprise=enterprise,
        quiet_from=(now - timedelta(minutes=5)).time(),
        quiet_until=(now + timedelta(minutes=5)).time(),
    )

    drain()

    run.refresh_from_db()
    assert channel.sent == []
    assert run.held_reason == "quiet_hours"
    assert timedelta(minutes=4) < run.held_until - timezone.now() < timedelta(minutes=6)
    assert Dispatch.objects.get().attempt_count == 0
    assert drains_needed(2) == 0


def test_cancelling_twice_is_refused():
    broadcast = due_broadcast()
    cancel_broadcast(broadcast.pk, actor=broadcast.author)

    with pytest.raises(CannotMove):
        cancel_broadcast(broadcast.pk, actor=broadcast.author)
