"""Workers are killed while they send. Judged by the ledger of the gateway, never by our rows.

Every promise has a twin with the safety taken out, which must break it.
"""

import time

import pytest

from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.progress import counted_deliveries, progress_of
from campaigns.services.scheduling import start_due_broadcasts
from tests.chaos.scale import LONG, of
from tests.chaos.site import is_over, leases_lost, say

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

RECIPIENTS = of(1000, 100_000)
KILLS = of(8, 10_000)  # the long form kills until it is over
BETWEEN_KILLS = of(0.15, 2.0)
TWIN_RECIPIENTS = of(1000, 20_000)
DELAY = of(0.1, 0.05)


def send(running, broadcast, *, kills=KILLS):
    """Until the broadcast is over; every kill strikes in the middle of a call. How long it took."""
    start_due_broadcasts()
    worker = running.start_worker(slots=of(3, 4))
    running.start_beat()
    began = time.monotonic()
    struck, deadline = 0, began + of(60, 1200)
    while not is_over(broadcast):
        assert time.monotonic() < deadline, running.log()
        if struck < kills:
            struck += running.kill_a_caller_of(worker)
        time.sleep(BETWEEN_KILLS)
    seconds = time.monotonic() - began
    say(f"kills {struck}, {seconds:.1f} s")
    assert struck >= min(kills, 8)
    return seconds


def send_under_kills(running, broadcast):
    send(running, broadcast)
    return running.judge()


@pytest.mark.skipif(not LONG, reason="make torture")
def test_kills_cost_at_most_half_as_much_time_again(site, audience):
    undisturbed, broadcast = audience(RECIPIENTS), audience(RECIPIENTS)
    with site("LedgerChannel", undisturbed, delay=DELAY) as running:
        usual = send(running, undisturbed, kills=0)
    with site("LedgerChannel", broadcast, delay=DELAY) as running:
        assert send(running, broadcast) <= 1.5 * usual
        judgement = running.judge()
        assert judgement.lost == judgement.repeated == 0


def test_killed_workers_lose_nothing_and_repeat_nothing(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("LedgerChannel", broadcast, delay=DELAY) as running:
        judgement = send_under_kills(running, broadcast)

        assert judgement.lost == judgement.repeated == judgement.strangers == 0
        assert judgement.stats["replayed"] >= 1
        assert "unsigned" not in judgement.stats
        run = broadcast.runs.get()
        assert leases_lost(run) >= 4  # the others struck right before or after the lease
        assert broadcast.status == BroadcastStatus.COMPLETED
        assert (
            counted_deliveries(run.pk)["delivered"] == progress_of(run.pk).delivered == RECIPIENTS
        )


def test_twin_a_new_key_for_every_try_repeats(site, audience):
    broadcast = audience(TWIN_RECIPIENTS)
    with site("FreshKeyChannel", broadcast, delay=DELAY) as running:
        assert send_under_kills(running, broadcast).repeated > 0


def test_twin_marking_before_sending_loses(site, audience):
    broadcast = audience(TWIN_RECIPIENTS)
    with site("MarkFirstChannel", broadcast, delay=DELAY) as running:
        assert send_under_kills(running, broadcast).lost > 0


def test_a_gateway_without_keys_is_asked_before_anything_is_repeated(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("LookUpChannel", broadcast, delay=DELAY, honours_key=False) as running:
        judgement = send_under_kills(running, broadcast)

        assert judgement.lost == judgement.repeated == 0
        assert judgement.stats["looked_up"] >= 1


def test_twin_repeating_without_asking_repeats(site, audience):
    broadcast = audience(TWIN_RECIPIENTS)
    with site("BlindChannel", broadcast, delay=DELAY, honours_key=False) as running:
        assert send_under_kills(running, broadcast).repeated > 0
