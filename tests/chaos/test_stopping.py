"""Frozen workers that wake later, and people who stop a broadcast while it runs."""

import time

import pytest

from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.progress import counted_deliveries, progress_of
from campaigns.services.controlling import cancel_broadcast, pause_broadcast, resume_broadcast
from campaigns.services.scheduling import start_due_broadcasts
from tests.chaos.scale import LONG, of
from tests.chaos.site import is_over, leases_lost, say, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

RECIPIENTS = of(400, 20_000)
CYCLES = of(3, 20)
FREEZES = of(1, 6)
FROZEN_SECONDS = 4.5  # longer than a lease of these sites, which is three seconds
QUIET_AFTER = 2.0  # seconds after a pause from which no call may begin


def start(running):
    start_due_broadcasts()
    worker = running.start_worker()
    running.start_beat()
    return worker


def freeze_a_caller(running, worker, run):
    """Stop a pool process in the middle of a call, and wake it when another took its work over."""
    before = leases_lost(run)
    frozen = wait_until(lambda: running.freeze_a_caller_of(worker), every=0.02, site=running)
    time.sleep(FROZEN_SECONDS)
    wait_until(lambda: leases_lost(run) > before, site=running)
    frozen.resume()


def send_under_freezes(running, broadcast):
    worker = start(running)
    run = wait_until(broadcast.runs.first, site=running)
    for _ in range(FREEZES):
        freeze_a_caller(running, worker, run)
    wait_until(lambda: is_over(broadcast), within=of(60, 600), site=running)
    return running.judge()


def test_a_worker_that_slept_longer_than_its_lease_repeats_nothing(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("LedgerChannel", broadcast, delay=0.25) as running:
        judgement = send_under_freezes(running, broadcast)

        assert judgement.lost == judgement.repeated == 0
        assert judgement.stats["replayed"] >= 1
        run = broadcast.runs.get()
        assert counted_deliveries(run.pk)["delivered"] == progress_of(run.pk).delivered


def test_twin_without_keys_and_without_asking_a_sleeper_repeats(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("BlindChannel", broadcast, delay=0.25, honours_key=False) as running:
        assert send_under_freezes(running, broadcast).repeated > 0


def calls_after(running, instant):
    return [at for at in running.ledger()["started"] if at > instant]


def pause_and_look(running, broadcast):
    """When calls began although it was paused long enough."""
    pause_broadcast(broadcast.pk, actor=broadcast.author)
    paused_at = time.time()
    time.sleep(QUIET_AFTER + 0.7)
    late = [at for at in calls_after(running, paused_at) if at > paused_at + QUIET_AFTER]
    resume_broadcast(broadcast.pk, actor=broadcast.author)
    return late


def test_a_pause_is_quick_and_what_is_resumed_loses_and_repeats_nothing(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("LedgerChannel", broadcast, delay=0.5) as running:
        start(running)
        wait_until(lambda: running.ledger()["effects"], site=running)
        late = [at for _ in range(CYCLES) for at in pause_and_look(running, broadcast)]
        assert not is_over(broadcast), "it was over before it was paused often enough"
        wait_until(lambda: is_over(broadcast), within=of(60, 900), site=running)

        judgement = running.judge()
        assert not late
        assert judgement.lost == judgement.repeated == 0
        assert broadcast.status == BroadcastStatus.COMPLETED


def test_twin_a_claim_that_does_not_look_goes_on_after_the_pause(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("HeedlessChannel", broadcast, delay=0.5) as running:
        start(running)
        wait_until(lambda: running.ledger()["effects"], site=running)
        assert pause_and_look(running, broadcast)


@pytest.mark.skipif(not LONG, reason="make torture")
def test_a_cancelled_broadcast_calls_nobody_any_more_and_says_who_was_reached(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("LedgerChannel", broadcast, delay=0.5) as running:
        start(running)
        wait_until(lambda: running.ledger()["effects"], site=running)
        cancel_broadcast(broadcast.pk, actor=broadcast.author)
        cancelled_at = time.time()
        run = broadcast.runs.get()
        wait_until(lambda: progress_of(run.pk).finished_at, site=running)
        time.sleep(0.5)

        reached = len(running.ledger()["effects"])
        say(f"reached {reached} of {RECIPIENTS}")
        assert not [at for at in calls_after(running, cancelled_at) if at > cancelled_at + 2]
        progress = progress_of(run.pk)
        assert progress.delivered == reached < RECIPIENTS
        assert progress.delivered + progress.cancelled == RECIPIENTS
