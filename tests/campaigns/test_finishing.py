"""How runs end: by results, by the word of colleagues on the platform, or by being stopped."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.channels.protocol import Outcome, OutcomeStatus, Receipt
from campaigns.errors import CannotResume, ReasonMissing
from campaigns.models import Broadcast, CommunityPost, Delivery, Dispatch, Run
from campaigns.rules.budgets import is_over_budget
from campaigns.rules.status import BroadcastStatus, DispatchStatus, RunStatus
from campaigns.selectors.progress import counted_deliveries, progress_of
from campaigns.selectors.work import drains_needed
from campaigns.services.claiming import claim_dispatch
from campaigns.services.controlling import (
    cancel_broadcast,
    halt_broadcast,
    pause_broadcast,
    resume_broadcast,
)
from campaigns.services.finishing import finish_run
from campaigns.services.freezing import begin_run
from scrm.accounts.rules.roles import Role
from tests.campaigns.broadcasts import colleague_of, drain
from tests.campaigns.test_controlling import in_batches_of
from tests.campaigns.test_retrying import failing
from tests.campaigns.test_sending import let_time_pass, sending

pytestmark = pytest.mark.django_db


def awaiting(envelope):
    outcomes = [Outcome(m.recipient_ref, OutcomeStatus.AWAITING) for m in envelope.messages]
    return Receipt(tuple(outcomes), remote_id="msg-1")


@pytest.fixture
def unconfirmed(channel):
    """A run of which every message waits for a colleague's word."""
    run = in_batches_of(channel, 2, members=4)
    channel.answers = [awaiting, awaiting]
    drain()
    return run


def confirmed(run):
    """What the poll writes when everybody has confirmed."""
    for dispatch in Dispatch.objects.filter(run=run, status__in=["awaiting", "stopping"]):
        Delivery.objects.filter(run=run, recipient_id__in=dispatch.recipient_ids).update(
            status="delivered"
        )
        dispatch.status, dispatch.awaiting_count = "done", 0
        dispatch.delivered_count = len(dispatch.recipient_ids)
        dispatch.save(update_fields=["status", "awaiting_count", "delivered_count"])


# --- waiting for a colleague's word ---


def test_what_waits_for_a_word_keeps_its_name_and_is_asked_about_later(unconfirmed):
    dispatch = Dispatch.objects.first()
    assert (dispatch.status, dispatch.remote_id) == (DispatchStatus.AWAITING, "msg-1")
    assert dispatch.due_at > timezone.now() + timedelta(seconds=60)
    assert dispatch.submitted_at is not None
    assert not Delivery.objects.exclude(settled_at=None).exists()


def test_a_run_is_open_until_the_last_word(unconfirmed, channel):
    assert Broadcast.objects.get().status == BroadcastStatus.RUNNING
    assert drains_needed(2) == 0
    let_time_pass()
    assert claim_dispatch() is None  # it is nothing for a drain

    confirmed(unconfirmed)
    assert drains_needed(2) > 0
    drain()

    assert Broadcast.objects.get().status == BroadcastStatus.COMPLETED


def test_halting_and_cancelling_ask_the_platform_to_stop(unconfirmed):
    broadcast = unconfirmed.broadcast

    halt_broadcast(broadcast.pk, actor=None, code="quits", reason="退群过多")

    assert set(Dispatch.objects.values_list("status", flat=True)) == {DispatchStatus.STOPPING}
    assert Broadcast.objects.get().status_reason == "退群过多"
    cancel_broadcast(broadcast.pk, actor=broadcast.author)
    assert set(Dispatch.objects.values_list("status", flat=True)) == {DispatchStatus.STOPPING}


def test_what_was_handed_over_while_it_was_being_stopped_is_stopped_too(channel):
    run = sending()
    halting = {"actor": None, "code": "quits", "reason": "退群过多"}
    channel.meanwhile = lambda _: halt_broadcast(run.broadcast_id, **halting)
    channel.answers = [awaiting]

    drain()

    assert Dispatch.objects.get().status == DispatchStatus.STOPPING


# --- halting and going on ---


def test_only_who_approves_lets_a_halted_broadcast_go_on_and_says_why(channel):
    run = in_batches_of(channel, 2, members=4)
    broadcast = run.broadcast
    halt_broadcast(broadcast.pk, actor=None, code="quits", reason="退群过多")
    operator = colleague_of(broadcast.author, role=Role.OPERATOR)

    drain()
    assert channel.sent == []
    with pytest.raises(CannotResume):
        resume_broadcast(broadcast.pk, actor=operator, reason="没事")
    with pytest.raises(ReasonMissing):
        resume_broadcast(broadcast.pk, actor=broadcast.author, reason=" ")
    resume_broadcast(broadcast.pk, actor=broadcast.author, reason="是统计口径的问题")
    drain()

    assert progress_of(run.pk).delivered == 4


# --- the error budget ---


@pytest.mark.parametrize(
    ("failed", "settled", "total", "is_over"),
    [
        (5, 5, 1000, False),  # a few results say little
        (6, 6, 1000, True),
        (50, 1000, 1000, False),
        (51, 1000, 1000, True),
        (1, 1, 10, True),  # of ten at most half a failure
    ],
)
def test_a_budget_is_a_share_of_the_results_so_far(failed, settled, total, is_over):
    figures = {"failed": failed, "settled": settled, "total": total}
    assert is_over_budget(**figures, percent=5) == is_over
    assert not is_over_budget(**figures, percent=0)


def test_a_broadcast_over_its_budget_pauses_by_itself_and_goes_on_by_a_word(channel):
    run = in_batches_of(channel, 2, members=8, error_budget_percent=20)
    channel.answers = [failing({0: "busy"}), failing({0: "busy", 1: "busy"})]

    drain()

    broadcast = Broadcast.objects.get()
    assert broadcast.status == BroadcastStatus.PAUSED
    assert broadcast.status_reason == "失败超过 20%，已自动暂停。请看失败原因，处理后再恢复。"
    assert len(channel.sent) == 2
    resume_broadcast(broadcast.pk, actor=broadcast.author)
    channel.answers = [failing({0: "busy"})]
    drain()
    progress = progress_of(run.pk)
    assert (progress.delivered, progress.failed) == (4, 4)
    assert Broadcast.objects.get().status == BroadcastStatus.PARTIALLY_COMPLETED


# --- broadcasts that run again ---


def test_a_recurring_broadcast_waits_for_its_next_time(channel):
    run = sending()
    following = timezone.now() + timedelta(days=7)
    Broadcast.objects.update(scheduled_at=following)

    drain()

    broadcast = Broadcast.objects.get()
    run.refresh_from_db()
    assert (broadcast.status, run.status) == (BroadcastStatus.SCHEDULED, RunStatus.FINISHED)
    assert broadcast.scheduled_at == following


def test_a_broadcast_ends_with_the_last_of_its_runs_and_by_all_of_them(channel):
    first = sending()
    channel.answers = [failing({0: "busy"})]
    drain()
    Broadcast.objects.update(status=BroadcastStatus.RUNNING)
    Run.objects.filter(pk=first.pk).update(status=RunStatus.SENDING)
    begin_run(first.broadcast, planned_for=timezone.now())
    assert finish_run(first.pk) is True
    assert Broadcast.objects.get().status == BroadcastStatus.RUNNING

    drain()

    assert Broadcast.objects.get().status == BroadcastStatus.PARTIALLY_COMPLETED


def test_a_paused_broadcast_is_no_work_for_a_drain(channel):
    run = sending()
    pause_broadcast(run.broadcast_id, actor=run.broadcast.author)

    assert drains_needed(2) == 0


# --- the ledgers ---


def test_a_community_is_told_once_per_run(channel):
    run = in_batches_of(channel, 2, members=6)

    drain()

    assert len(channel.sent) == 3
    post = CommunityPost.objects.get()
    assert (post.run_id, post.category) == (run.pk, "service")


def test_who_is_not_called_is_told_nothing(channel):
    run = sending()
    cancel_broadcast(run.broadcast_id, actor=run.broadcast.author)

    drain()

    assert not CommunityPost.objects.exists()


def test_the_states_always_add_up(unconfirmed):
    dispatch = Dispatch.objects.first()
    dispatch.awaiting_count, dispatch.expired_count, dispatch.status = 0, 2, "done"
    dispatch.save(update_fields=["awaiting_count", "expired_count", "status"])
    Delivery.objects.filter(recipient_id__in=dispatch.recipient_ids).update(status="expired")

    progress, counted = progress_of(unconfirmed.pk), counted_deliveries(unconfirmed.pk)

    assert (progress.expired, progress.awaiting_owner, progress.planned) == (2, 2, 0)
    assert (counted["expired"], counted["awaiting_owner"]) == (2, 2)
    assert Broadcast.objects.with_progress().get().settled_count == 2
