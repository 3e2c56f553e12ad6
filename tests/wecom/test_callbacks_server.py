"""Callbacks over HTTP, through the server that the product runs on."""

import socket
import sys
import time

import httpx
import pytest

from scrm.wecom.models import InboundEvent
from tests.processes import process, wait_until
from tests.wecom.callbacks import event_call, joined, listening

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

NOWHERE = "redis://127.0.0.1:9/0"


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(port, tmp_path):
    """Its broker and its cache are away."""
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "scrm.wsgi:application",
        "--host", "127.0.0.1", "--port", str(port), "--no-ws", "--blocking-threads", "2",
    ]  # fmt: skip
    away = {"REDIS_URL": NOWHERE, "DJANGO_SETTINGS_MODULE": "tests.wecom.effects_settings"}
    with process(tmp_path, "web", command, **away):
        wait_until(lambda: is_up(port), because=tmp_path / "web.log")
        yield f"http://127.0.0.1:{port}"


def is_up(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_callbacks_are_taken_in_time_without_redis_and_long_ones_refused_early(server, port):
    listener = listening()
    with httpx.Client(base_url=server, timeout=10) as client:
        calls = [event_call(listener, joined(f"wr{n}")) for n in range(20)]
        client.post(calls[0].url, content=calls[0].body)  # the first call of a process is slower
        for call in calls:
            began = time.monotonic()
            response = client.post(call.url, content=call.body)
            assert (response.status_code, response.text) == (200, "success")
            assert time.monotonic() - began < 1
        chunks = (calls[0].body[:200], calls[0].body[200:])
        assert client.post(calls[0].url, content=iter(chunks)).status_code == 200
    assert InboundEvent.objects.count() == 20
    assert refusal_of_a_huge_body(port, calls[0]).startswith(b"HTTP/1.1 403")


def refusal_of_a_huge_body(port, call):
    """The answer comes although not a byte of the body was sent."""
    head = f"POST {call.url} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(head.encode())
        return wire.recv(200)
