"""How fast messages go through an account with a limit, whatever the number of workers."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from campaigns.models import ChannelRate, Delivery, Dispatch
from campaigns.rules.rates import bucket_size, portion_size
from campaigns.selectors.progress import progress_of
from campaigns.services.claiming import claim_dispatch
from campaigns.services.draining import drain_slice
from campaigns.services.rates import open_buckets, return_tokens, seconds_until_tokens
from tests.campaigns.broadcasts import due_broadcast, started
from tests.campaigns.fake_channel import CHANNELS, FakeChannel, fake


class ConfirmingChannel(FakeChannel):
    confirms = True


def limited(*, rate, burst=0, members=20, kind="fake"):
    """The run of a broadcast through an account with a limit, frozen and not begun."""
    broadcast = due_broadcast(
        members=members,
        channel_account__kind=kind,
        channel_account__rate_per_second=rate,
        channel_account__rate_burst=burst,
    )
    run = started(broadcast)
    drain_slice(seconds=0)
    open_buckets([broadcast.channel_account_id])
    run.refresh_from_db()
    return run


@given(st.integers(1, 100_000), st.integers(0, 100_000))
def test_a_portion_fits_into_the_bucket_and_the_bucket_into_the_burst(rate, burst):
    assert 1 <= portion_size(rate, burst) <= bucket_size(rate, burst)
    assert bucket_size(rate, burst) <= (burst or rate)


@pytest.mark.django_db
def test_an_audience_is_cut_into_portions_of_the_limit(channel):
    limited(rate=30, members=20)

    sizes = [len(d.recipient_ids) for d in Dispatch.objects.order_by("sequence")]
    assert sizes == [6, 6, 6, 2]


@pytest.mark.django_db
def test_an_idle_account_sends_a_burst_and_then_waits(channel):
    run = limited(rate=10, members=20)  # a bucket of 8, in portions of 2

    claims = [claim_dispatch() for _ in range(6)]

    assert [claim is not None for claim in claims] == [True] * 4 + [False] * 2
    assert 0.1 < seconds_until_tokens() <= 0.3
    assert progress_of(run.pk).in_flight == 8


@pytest.mark.django_db
def test_waiting_for_tokens_holds_up_no_other_account(channel):
    limited(rate=1, members=5)
    free = started(due_broadcast(members=5, channel_account__kind="fake"))

    drain_slice(seconds=0.4)

    assert progress_of(free.pk).delivered == 5


@pytest.mark.django_db
def test_tokens_are_taken_by_the_databases_clock_and_come_back_with_time(channel):
    limited(rate=10, members=20)
    while claim_dispatch():
        pass

    ChannelRate.objects.update(next_at=timezone.now())

    assert claim_dispatch() is not None


@pytest.mark.django_db
def test_a_dispatch_with_tokens_pays_no_second_time(channel):
    limited(rate=10, members=8)
    claim_dispatch()
    Dispatch.objects.filter(has_tokens=True).update(
        due_at=timezone.now() - timedelta(seconds=60)  # its worker died before the call
    )
    before = ChannelRate.objects.get().next_at

    again = claim_dispatch()

    assert again.was_lost
    assert ChannelRate.objects.get().next_at == before


@pytest.mark.django_db
def test_a_limit_lowered_meanwhile_cuts_what_is_too_large(channel):
    run = limited(rate=1000, members=20)
    assert Dispatch.objects.count() == 1
    type(run.broadcast.channel_account).objects.update(rate_per_second=10)

    drain_slice(seconds=0.3)

    assert max(len(envelope.messages) for envelope in channel.sent) == 2
    run.refresh_from_db()
    assert run.dispatch_count == Dispatch.objects.count() == 10
    assert sorted(pk for d in Dispatch.objects.all() for pk in d.recipient_ids) == list(
        Delivery.objects.order_by("recipient_id").values_list("recipient_id", flat=True)
    )


@pytest.mark.django_db
def test_what_a_colleague_confirms_is_not_cut_but_waits_for_a_full_bucket(settings):
    kinds = {**CHANNELS, "confirming": f"{__name__}.ConfirmingChannel"}
    settings.CHANNELS = kinds
    fake("confirming").forget()
    limited(rate=2, members=20, kind="confirming")
    assert Dispatch.objects.count() == 1

    drain_slice(seconds=0.1)

    assert [len(envelope.messages) for envelope in fake("confirming").sent] == [20]
    assert ChannelRate.objects.get().next_at > timezone.now() + timedelta(seconds=8)


@pytest.mark.django_db
def test_tokens_of_who_gets_nothing_after_all_are_returned(channel):
    run = limited(rate=100, members=20)
    claim_dispatch()
    before = ChannelRate.objects.get().next_at

    return_tokens(run.broadcast.channel_account_id, 10)

    assert before - ChannelRate.objects.get().next_at == timedelta(seconds=0.1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("workers", [1, 3])
def test_no_second_sees_more_than_the_rate_and_the_burst(channel, workers):
    rate, burst = 150, 50
    run = limited(rate=rate, burst=burst, members=200)
    calls = []  # (when, how many)
    channel.meanwhile = lambda envelope: calls.append((time.monotonic(), len(envelope.messages)))

    def work(_):
        try:
            while drain_slice(seconds=0.5):
                pass
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(work, range(workers)))

    assert progress_of(run.pk).delivered == 200
    busiest = max(sum(n for at, n in calls if begin <= at < begin + 1) for begin, _ in calls)
    assert busiest <= rate + burst
    took = max(at for at, _ in calls) - min(at for at, _ in calls)
    assert took < 2 * (200 - burst) / rate
