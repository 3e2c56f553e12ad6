"""Trying again those for whom it failed, apart by cause."""

import pytest

from campaigns.channels.protocol import Outcome, OutcomeStatus, OutcomeUnknown, Receipt
from campaigns.errors import CannotMove, NothingToRetry
from campaigns.models import Broadcast, Dispatch
from campaigns.rules.retry import MAX_ATTEMPTS
from campaigns.rules.status import BroadcastStatus, RunStatus
from campaigns.selectors.progress import counted_deliveries, failure_reasons, progress_of
from campaigns.services.retrying import retry_failed
from tests.campaigns.broadcasts import drain
from tests.campaigns.test_sending import sending

pytestmark = pytest.mark.django_db


def failing(codes):
    """Every recipient whose place in the envelope is named fails with that code."""

    def answer(envelope):
        return Receipt(
            tuple(
                Outcome(m.recipient_ref, OutcomeStatus.FAILED, codes[place])
                if place in codes
                else Outcome(m.recipient_ref, OutcomeStatus.DELIVERED)
                for place, m in enumerate(envelope.messages)
            )
        )

    return answer


@pytest.fixture
def half_failed(channel):
    """A finished run: two are busy, one is gone, three have got it."""
    run = sending(members=6)
    channel.answers = [failing({1: "busy", 3: "busy", 4: "gone"})]
    drain()
    channel.sent.clear()
    run.refresh_from_db()
    return run


def test_only_those_with_the_chosen_reason_are_tried_again(channel, half_failed):
    first = Dispatch.objects.get().recipient_ids

    assert retry_failed(half_failed.pk, actor=half_failed.broadcast.author, reasons=["busy"]) == 2
    progress = progress_of(half_failed.pk)
    assert (progress.delivered, progress.failed, progress.planned) == (3, 1, 2)
    assert Broadcast.objects.get().status == BroadcastStatus.RUNNING
    drain()

    assert len(channel.sent[0].messages) == 2
    assert failure_reasons(half_failed.pk) == [("failed", "gone", 1)]
    old, new = Dispatch.objects.order_by("pk")
    assert new.recipient_ids == [first[1], first[3]]
    assert sorted([*old.recipient_ids, *new.recipient_ids]) == sorted(first)
    assert channel.sent[0].key == f"dispatch-{new.pk}"


def test_the_counters_stay_those_of_the_rows(channel, half_failed):
    retry_failed(half_failed.pk, actor=half_failed.broadcast.author, reasons=["busy", "gone"])
    channel.answers = [failing({0: "busy"})]
    drain()

    counted, progress = counted_deliveries(half_failed.pk), progress_of(half_failed.pk)
    assert (counted["delivered"], counted["failed"]) == (progress.delivered, progress.failed)
    assert (progress.delivered, progress.failed, progress.total) == (5, 1, 6)
    half_failed.refresh_from_db()
    assert half_failed.status == RunStatus.FINISHED
    assert half_failed.dispatch_count == Dispatch.objects.count() == 2
    assert Broadcast.objects.get().status == BroadcastStatus.PARTIALLY_COMPLETED


def test_whom_the_platform_may_have_reached_is_not_tried_again(channel):
    run = sending()
    Dispatch.objects.update(attempt_count=MAX_ATTEMPTS - 1)
    channel.answers = [OutcomeUnknown("no_answer")]
    drain()

    with pytest.raises(NothingToRetry):
        retry_failed(run.pk, actor=run.broadcast.author, reasons=["outcome_unknown"])


def test_with_no_such_failure_there_is_nothing_to_retry(half_failed):
    with pytest.raises(NothingToRetry):
        retry_failed(half_failed.pk, actor=half_failed.broadcast.author, reasons=["other"])

    assert Broadcast.objects.get().status == BroadcastStatus.PARTIALLY_COMPLETED


def test_what_was_cancelled_is_not_begun_again(half_failed):
    Broadcast.objects.update(status=BroadcastStatus.CANCELLED)

    with pytest.raises(CannotMove):
        retry_failed(half_failed.pk, actor=half_failed.broadcast.author, reasons=["busy"])


def test_a_retry_costs_the_same_number_of_statements_however_many_failed(
    channel, django_assert_max_num_queries
):
    run = sending(members=30)
    channel.answers = [failing(dict.fromkeys(range(30), "busy"))]
    drain()

    with django_assert_max_num_queries(30):
        retry_failed(run.pk, actor=run.broadcast.author, reasons=["busy"])
