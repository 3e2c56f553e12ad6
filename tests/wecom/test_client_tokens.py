import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache

from scrm.shared.crypto import encrypt
from scrm.wecom.client import Kind, WecomClient, WecomRefusal
from scrm.wecom.client.tokens import _own
from scrm.wecom.simulator.corp import Corp
from tests.wecom.calling import Counting, unsaved_connection
from tests.wecom.simulated import served_world

pytestmark = pytest.mark.django_db

DEAD_VALKEY = "redis://127.0.0.1:1/0"


@pytest.fixture
def corp() -> Corp:
    found = served_world().world.create_corp("某公司")
    found.add_staff("lin.qiao", "林乔")
    return found


@pytest.fixture
def without_valkey(settings):
    default = {**settings.CACHES["default"], "LOCATION": DEAD_VALKEY}
    settings.CACHES = {"default": default}
    yield
    _own.clear()


def connection_to(corp, **fields):
    values = {"corp_id": corp.corp_id, "agent_id": corp.agent_id, "app_secret": corp.secret}
    return unsaved_connection(**values | fields)


def client_of(connection, network):
    return WecomClient(connection, transport=network, sleep=lambda _: None)


def asked_by_threads(connection, network, count):
    """Each has a client of its own and begins together with the others."""
    barrier = threading.Barrier(count)

    def ask():
        client = client_of(connection, network)
        barrier.wait()
        return client.staff("lin.qiao").name

    with ThreadPoolExecutor(count) as pool:
        return [each.result() for each in [pool.submit(ask) for _ in range(count)]]


def test_fifty_workers_fetch_one_token(corp):
    network = Counting()
    assert asked_by_threads(connection_to(corp), network, 50) == ["林乔"] * 50
    assert network.calls == {"gettoken": 1, "user/get": 50}


def test_fifty_workers_without_valkey_fetch_one_token(corp, without_valkey):
    network = Counting()
    assert asked_by_threads(connection_to(corp), network, 50) == ["林乔"] * 50
    assert network.calls["gettoken"] == 1


@pytest.mark.parametrize("code", [40014, 42001])
def test_a_token_that_ended_early_is_replaced_once_for_all(corp, code):
    network, connection = Counting(), connection_to(corp)
    with_old_token = client_of(connection, network)
    with_old_token.staff("lin.qiao")
    corp.end_tokens(code)
    assert asked_by_threads(connection, network, 20) == ["林乔"] * 20
    assert with_old_token.staff("lin.qiao").name == "林乔"
    assert network.calls["gettoken"] == 2


def test_a_token_that_is_refused_again_is_not_fetched_for_ever(corp):
    network = Counting()
    corp.faults.refuse("user/get", 40014, times=-1)
    with pytest.raises(WecomRefusal) as refused:
        client_of(connection_to(corp), network).staff("lin.qiao")
    assert refused.value.kind is Kind.TOKEN
    assert network.calls == {"gettoken": 2, "user/get": 2}


def test_a_wrong_secret_is_tried_once_a_minute_and_a_new_one_at_once(corp):
    network, connection = Counting(), connection_to(corp, app_secret="wrong")
    for _ in range(5):
        with pytest.raises(WecomRefusal) as refused:
            client_of(connection, network).staff("lin.qiao")
        assert (refused.value.code, refused.value.kind) == (40001, Kind.CONFIG)
    assert network.calls == {"gettoken": 1}
    connection.app_secret = corp.secret
    assert client_of(connection, network).staff("lin.qiao").name == "林乔"


def test_without_valkey_a_wrong_secret_is_not_tried_again_and_again(corp, without_valkey):
    network, connection = Counting(), connection_to(corp, app_secret="wrong")
    for _ in range(3):
        with pytest.raises(WecomRefusal):
            client_of(connection, network).staff("lin.qiao")
    assert network.calls == {"gettoken": 1}


def test_a_busy_platform_is_asked_again_for_a_token(corp):
    network = Counting()
    corp.faults.refuse("gettoken", -1, times=2)
    assert client_of(connection_to(corp), network).staff("lin.qiao").name == "林乔"
    assert network.calls["gettoken"] == 3


def test_valkey_holds_neither_token_nor_secret_in_plain(corp):
    connection = connection_to(corp)
    client_of(connection, Counting()).staff("lin.qiao")
    raw = cache._cache.get_client()
    held = b"".join(
        key + (raw.get(key) if raw.type(key) == b"string" else b"") for key in raw.keys("*")
    )
    assert b"wecom:token" in held
    for token in corp.tokens:
        assert token.encode() not in held
    assert corp.secret.encode() not in held


def test_a_token_kept_under_a_key_that_is_gone_is_fetched_anew(corp, settings):
    network, connection = Counting(), connection_to(corp)
    client_of(connection, network).staff("lin.qiao")
    settings.PII_KEYS = ["b3RoZXJrZXlvdGhlcmtleW90aGVya2V5b3RoZXJrZXk="]
    assert encrypt("x")
    settings.PII_KEYS = [settings.PII_KEYS[0]]
    assert client_of(connection, network).staff("lin.qiao").name == "林乔"
