import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from scrm.wecom.client import Kind, Outcome, WecomClient, WecomRefusal, client_for
from scrm.wecom.client.limiters import AloneLimiter, Turn
from scrm.wecom.client.throttle import Throttle, _limiter_at
from scrm.wecom.models import ApiQuota
from scrm.wecom.rules.limits import (
    COMMON_WINDOWS,
    PARKED_AGAIN_SECONDS,
    PARKED_SECONDS,
    Window,
    windows_of,
)
from tests.wecom.calling import Counting, Network, client_on, unsaved_connection
from tests.wecom.simulated import served_world, simulated_corp

NARROW = (Window(40, 1.0), Window(4000, 60))


@pytest.fixture(params=["shared", "alone"])
def limiter(request, settings):
    if request.param == "alone":
        return AloneLimiter()
    return _limiter_at(settings.CACHES["default"]["LOCATION"])


def most_in(moments, seconds):
    moments = sorted(moments)
    return max(sum(1 for each in moments if start <= each < start + seconds) for start in moments)


def test_at_no_moment_more_calls_than_the_window_allows():
    throttles = [Throttle(1, windows=lambda _: NARROW) for _ in range(8)]
    moments = []

    def work(throttle):
        for _ in range(10):
            throttle.wait_for_turn("user/get")
            moments.append(time.monotonic())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, throttles))
    assert len(moments) == 80
    assert most_in(moments, 0.95) <= 40


def test_companies_and_interfaces_do_not_share_their_turns(limiter):
    once = (Window(8, 60),)
    for key in ("1:a", "1:b", "2:a"):
        assert limiter.take(key, once, 0).taken
    while limiter.take("1:a", once, 0).taken:
        pass
    assert limiter.take("2:a", once, 0).taken


def test_a_wait_that_is_too_long_is_handed_back_with_its_length(limiter):
    once = (Window(1, 60),)
    assert limiter.take("x", once, 0).taken
    turn = limiter.take("x", once, 0)
    assert not turn.taken
    assert 0 < turn.wait <= 66


def test_an_interface_rests_for_a_minute_and_on_repetition_for_an_hour(limiter, monkeypatch):
    assert limiter.park("x") == PARKED_SECONDS
    assert (
        59 < limiter.park("x") <= PARKED_SECONDS
    )  # of the calls that were under way: no repetition
    turn = limiter.take("x", COMMON_WINDOWS, 0)
    assert turn.parked
    assert 59 < turn.wait <= 60
    assert limiter.take("y", COMMON_WINDOWS, 0).taken


def test_a_second_refusal_after_the_rest_makes_it_an_hour(settings):
    shared = _limiter_at(settings.CACHES["default"]["LOCATION"])
    assert float(shared._park(keys=["x"], args=[0.05, PARKED_AGAIN_SECONDS, 600])) == 0.05
    time.sleep(0.06)
    assert shared.take("x", COMMON_WINDOWS, 0).taken
    assert shared.park("x") == PARKED_AGAIN_SECONDS


def test_too_many_at_once_halves_the_pace_and_one_crowd_halves_it_once(limiter):
    windows = (Window(1200, 60),)
    for _ in range(16):
        assert limiter.take("x", windows, 0).wait == 0
    limiter.slow_down("x")
    limiter.slow_down("x")
    turns = [limiter.take("x", windows, 10) for _ in range(4)]
    gaps = [after.wait - before.wait for before, after in pairwise(turns)]
    assert all(0.1 < gap < 0.26 for gap in gaps), gaps  # eight a second, or four of two seconds
    assert not limiter.take("x", windows, 0).taken


def test_the_pace_recovers_until_there_is_none(limiter):
    windows = (Window(60, 60),)
    assert limiter.take("x", windows, 0).taken
    limiter.slow_down("x")
    assert limiter.take("x", windows, 0).wait > 1
    time.sleep(1.05)
    assert limiter.take("x", windows, 0) == Turn(taken=True)


@pytest.mark.django_db
def test_a_crowd_gets_through_a_platform_that_allows_only_some_at_once():
    corp = served_world().world.create_corp("某公司")
    corp.add_staff("lin.qiao", "林乔")
    corp.faults.concurrent_calls = 4
    corp.faults.slow("user/get", 0.02)
    connection = unsaved_connection(
        corp_id=corp.corp_id, agent_id=corp.agent_id, app_secret=corp.secret
    )
    network = Counting()
    told = Counter()

    def work(_):
        client = WecomClient(connection, transport=network)
        for _ in range(2):
            try:
                client.staff("lin.qiao")
                told["read"] += 1
            except WecomRefusal as refusal:
                told[refusal.kind] += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert set(told) <= {"read", Kind.TRANSIENT, Kind.RATE}
    assert told["read"] >= 10, told


def test_the_limits_leave_room_for_other_tools_of_the_company():
    assert windows_of("user/get") == (Window(8000, 60), Window(120_000, 3600))


@pytest.mark.django_db
def test_a_refusal_for_frequency_stops_all_workers_and_says_until_when():
    network = Network({"errcode": 45009, "errmsg": "reach max api frequency limit"})
    client = client_on(network)
    with pytest.raises(WecomRefusal) as refused:
        client.group("wr1")
    assert (refused.value.kind, refused.value.outcome) == (Kind.RATE, Outcome.RETRYABLE)
    assert refused.value.retry_after == PARKED_SECONDS
    other = client_on(network, pk=client.connection.pk)
    with pytest.raises(WecomRefusal) as refused:
        other.group("wr1")
    assert 0 < refused.value.retry_after <= PARKED_SECONDS
    assert len(network.requests) == 1


@pytest.mark.django_db
def test_a_session_is_written_down_in_one_statement_and_added_up():
    simulated = simulated_corp()
    simulated.corp.add_staff("lin.qiao", "林乔")
    with client_for(simulated.connection) as client:
        client.departments()
        client.staff("lin.qiao")
        client.staff("lin.qiao")
    simulated.corp.faults.refuse("user/get", 45009)
    client = client_for(simulated.connection)
    with pytest.raises(WecomRefusal):
        client.staff("lin.qiao")
    with CaptureQueriesContext(
        database,
    ) as queries:
        client.close()
    assert sum("INSERT" in each["sql"] for each in queries) == 1
    used = {each.api: each for each in ApiQuota.objects.filter(connection=simulated.connection)}
    assert (used["user/get"].call_count, used["user/get"].refused_count) == (3, 1)
    assert used["user/get"].last_code == "45009"
    assert used["user/get"].parked_until > used["user/get"].last_refused_at
    assert used["department/list"].call_count == 1
    assert used["department/list"].parked_until is None
    assert used["gettoken"].call_count == 1
