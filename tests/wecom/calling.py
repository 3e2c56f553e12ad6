"""Clients for tests: against the simulator in this process, or against a made-up network."""

import threading
from collections import Counter

import httpx

from scrm.wecom.client import WecomClient
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import Platform
from scrm.wecom.simulator.app import make_app
from tests.wecom.simulated import served_world

SECRET = "canary-secret-0123456789abcdefghijklmnopqrs"
TOKEN = "canary-token-0123456789abcdefghij"


class Counting(httpx.BaseTransport):
    """The simulator in this process, and how often each interface was called."""

    def __init__(self):
        self._inner = httpx.WSGITransport(app=make_app(served_world().world))
        self._lock = threading.Lock()
        self.calls = Counter()

    def handle_request(self, request):
        with self._lock:
            self.calls[request.url.path.removeprefix("/cgi-bin/")] += 1
        return self._inner.handle_request(request)


class Network(httpx.BaseTransport):
    """Answers as told, in turn; the last answer again and again. gettoken always goes well."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.tokens_given = 0

    def handle_request(self, request):
        request.read()
        if request.url.path == "/cgi-bin/gettoken":
            self.tokens_given += 1
            return httpx.Response(200, json={"access_token": TOKEN, "expires_in": 7200})
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, dict):
            return httpx.Response(200, json=answer)
        if isinstance(answer, bytes):
            return httpx.Response(200, content=answer)
        return answer


_numbers = iter(range(900_000_000, 999_999_999))


def unsaved_connection(**fields):
    """Of a company that no table knows."""
    values = {
        "pk": next(_numbers),
        "enterprise_id": 1,
        "platform": Platform.SIMULATOR,
        "corp_id": "ww1a2b3c4d5e6f7a8b",
        "agent_id": 1000002,
        "app_secret": SECRET,
    }
    return WecomConnection(**values | fields)


def client_on(network, **fields):
    """A client that does not wait between its tries; ``slept`` holds for how long it would."""
    slept = []
    client = WecomClient(unsaved_connection(**fields), transport=network, sleep=slept.append)
    client.slept = slept
    return client
