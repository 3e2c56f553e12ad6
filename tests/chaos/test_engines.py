"""The broker loses everything, the database stops dead, the gateway misbehaves."""

import time

import pytest
from django.db import connection

from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.progress import progress_of
from campaigns.services.scheduling import start_due_broadcasts
from tests.chaos.scale import LONG, of
from tests.chaos.site import engines_at, is_over, migrated_database, say, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

RECIPIENTS = of(1000, 40_000)
PATIENCE = of(40, 900)
TIMES = of(1, 2)  # that an engine goes away


def start_sending(running, broadcast):
    """Until a tenth is done."""
    start_due_broadcasts()
    running.start_worker()
    running.start_beat()
    wait_until(lambda: settled(broadcast) >= RECIPIENTS // 10, site=running)


def settled(broadcast):
    return progress_of(broadcast.runs.get().pk).settled


def finish(running, broadcast, *, within):
    began = time.monotonic()
    wait_until(lambda: is_over(broadcast), within=within, site=running)
    say(f"finished {time.monotonic() - began:.1f} s after the harm")
    return running.judge()


def test_a_broker_that_comes_back_empty_loses_and_repeats_nothing(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("LedgerChannel", broadcast, delay=0.3) as running:
        start_sending(running, broadcast)
        for _ in range(TIMES):
            running.kill_engine("valkey")
            time.sleep(of(2, 5))
            assert settled(broadcast) < RECIPIENTS
            running.engines.start_valkey()
            time.sleep(of(0, 5))

        judgement = finish(running, broadcast, within=PATIENCE)

        assert judgement.lost == judgement.repeated == 0
        assert broadcast.status == BroadcastStatus.COMPLETED


def test_a_database_that_stops_dead_and_starts_again_loses_and_repeats_nothing(
    site, audience, folder
):
    engines = engines_at(folder / "data", durable=True).start()
    with migrated_database(engines):
        broadcast = audience(RECIPIENTS)
        with site("LedgerChannel", broadcast, engines=engines, delay=0.3) as running:
            start_sending(running, broadcast)
            for _ in range(TIMES):
                assert settled(broadcast) < RECIPIENTS
                running.stop_database_dead()
                connection.close()
                time.sleep(of(1, 3))
                engines.start_postgres()
                time.sleep(of(0, 10))

            judgement = finish(running, broadcast, within=PATIENCE)

            assert judgement.lost == judgement.repeated == 0
            assert broadcast.status == BroadcastStatus.COMPLETED


def test_a_gateway_that_drops_fails_and_throttles_gets_everything_once(site, audience):
    broadcast = audience(RECIPIENTS)
    faults = {"drop": 0.08, "error": 0.08, "limit": 0.04}
    with site("LedgerChannel", broadcast, faults=faults) as running:
        start_due_broadcasts()
        running.start_worker()
        running.start_beat()

        judgement = finish(running, broadcast, within=of(60, 1200))

        assert judgement.lost == judgement.repeated == 0
        assert {"drop", "error", "limit"} <= judgement.stats.keys()
        assert judgement.stats["posted"] <= 2 * RECIPIENTS / 20


@pytest.mark.skipif(not LONG, reason="make torture")
def test_a_broker_emptied_every_few_seconds_loses_and_repeats_nothing(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("LedgerChannel", broadcast, delay=0.05) as running:
        start_sending(running, broadcast)
        running.start_beat()  # two of them
        worker = running.children[0]
        while not is_over(broadcast):
            running.empty_broker()
            running.kill_a_caller_of(worker)
            time.sleep(5)

        judgement = running.judge()
        assert judgement.lost == judgement.repeated == 0
