"""Web processes and workers are killed while single events come in. Judged by what was answered."""

import contextlib
import os
import signal
import socket
import sys
import time
from datetime import timedelta

import httpx
import psutil
import pytest
import redis
from django.conf import settings
from django.utils import timezone

from members.models import ActivityEvent, MemberDay
from members.services.activity_buffer import STREAM, flush_buffer, waiting_events
from scrm.accounts.rules.roles import Capability
from scrm.accounts.services.api_keys import create_api_key
from tests.accounts.factories import UserFactory
from tests.chaos.scale import of
from tests.communities.factories import CommunityFactory
from tests.members.factories import MemberFactory
from tests.processes import process, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

EVENTS = of(200, 20_000)
KILLS = of(1, 40)
FLUSHING = """
import django; django.setup()
from members.services.activity_buffer import flush_buffer
while True:
    flush_buffer(budget=60)
"""


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def web(folder, port, number):
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "scrm.wsgi:application",
        "--host", "127.0.0.1", "--port", str(port), "--no-ws",
    ]  # fmt: skip
    with process(folder, f"web-{number}", command) as child:
        wait_until(lambda: listens(port), because=folder / f"web-{number}.log")
        yield child


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def kill(child):
    for one in [*psutil.Process(child.pid).children(recursive=True), psutil.Process(child.pid)]:
        with contextlib.suppress(psutil.Error):
            os.kill(one.pid, signal.SIGKILL)


def send(port, token, keys):
    """One event after the other, until the server is gone. The keys that were answered."""
    answered = []
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        for key in keys:
            try:
                answer = client.post("/api/v1/activities/", json=event(key))
            except httpx.TransportError:
                break
            assert answer.status_code == 202, answer.text
            answered.append(key)
            yield answered


def event(key):
    at = timezone.now() - timedelta(seconds=1)
    return {
        "source": "app",
        "member": "m1",
        "community": "cats",
        "kind": "message",
        "occurred_at": at.isoformat(),
        "dedupe_key": key,
    }


@pytest.mark.django_db(transaction=True)
def test_what_was_answered_is_written_once_whoever_is_killed(tmp_path, port):
    redis.Redis.from_url(settings.ACTIVITY_STREAM_URL).delete(STREAM)
    user = UserFactory()
    CommunityFactory(enterprise=user.enterprise, code="cats")
    MemberFactory(enterprise=user.enterprise, external_id="m1")
    _key, token = create_api_key(actor=user, name="app", scopes=[Capability.INGEST_ACTIVITY])
    answered, each = [], EVENTS // KILLS

    for turn in range(KILLS):
        keys = [f"{turn}-{number}" for number in range(each)]
        flusher = process(tmp_path, f"flusher-{turn}", [sys.executable, "-c", FLUSHING])
        with web(tmp_path, port, turn) as server, flusher as worker:
            got = []
            for got in send(port, token, keys):
                if len(got) == each // 2:
                    wait_until(lambda: ActivityEvent.objects.exists())
                    kill(worker)
                if len(got) == each * 3 // 4:
                    kill(server)
            answered += got
    deadline = time.monotonic() + 20
    while waiting_events() and time.monotonic() < deadline:
        flush_buffer(budget=5)

    written = list(ActivityEvent.objects.values_list("dedupe_key", flat=True))
    assert len(answered) > EVENTS // 2
    assert set(answered) <= set(written)
    assert len(written) == len(set(written))
    assert sum(MemberDay.objects.values_list("message_count", flat=True)) == len(written)
