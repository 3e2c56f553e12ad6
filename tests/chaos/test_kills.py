"""Workers are killed while they send. Judged by the ledger of the gateway, never by our rows.

Every promise has a twin with the safety taken out, which must break it.
"""

import time

import pytest

from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.progress import counted_deliveries, progress_of
from campaigns.services.scheduling import start_due_broadcasts
from tests.chaos.site import is_over, leases_lost, say

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

RECIPIENTS = 1000
KILLS = 8


def send_under_kills(running, broadcast):
    """Until the broadcast is over; every kill strikes in the middle of a call."""
    start_due_broadcasts()
    worker = running.start_worker()
    running.start_beat()
    kills, deadline = 0, time.monotonic() + 60
    while not is_over(broadcast):
        assert time.monotonic() < deadline, running.log()
        if kills < KILLS:
            kills += running.kill_a_caller_of(worker)
        time.sleep(0.15)
    say(f"kills {kills}")
    assert kills == KILLS
    return running.judge()


def test_killed_workers_lose_nothing_and_repeat_nothing(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("LedgerChannel", broadcast, delay=0.1) as running:
        judgement = send_under_kills(running, broadcast)

        assert judgement.lost == judgement.repeated == judgement.strangers == 0
        assert judgement.stats["replayed"] >= 1
        assert "unsigned" not in judgement.stats
        run = broadcast.runs.get()
        assert leases_lost(run) >= KILLS // 2  # the others struck right before or after the lease
        assert broadcast.status == BroadcastStatus.COMPLETED
        assert (
            counted_deliveries(run.pk)["delivered"] == progress_of(run.pk).delivered == RECIPIENTS
        )


def test_twin_a_new_key_for_every_try_repeats(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("FreshKeyChannel", broadcast, delay=0.1) as running:
        assert send_under_kills(running, broadcast).repeated > 0


def test_twin_marking_before_sending_loses(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("MarkFirstChannel", broadcast, delay=0.1) as running:
        assert send_under_kills(running, broadcast).lost > 0


def test_a_gateway_without_keys_is_asked_before_anything_is_repeated(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("LookUpChannel", broadcast, delay=0.1, honours_key=False) as running:
        judgement = send_under_kills(running, broadcast)

        assert judgement.lost == judgement.repeated == 0
        assert judgement.stats["looked_up"] >= 1


def test_twin_repeating_without_asking_repeats(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("BlindChannel", broadcast, delay=0.1, honours_key=False) as running:
        assert send_under_kills(running, broadcast).repeated > 0
