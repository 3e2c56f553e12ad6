"""A company on the simulator, for tests of anything that speaks to WeCom.

The simulator runs in the test's own process, so that a test may make things happen by calling the
company (``simulated.corp.join(chat_id, count=20)``), and listens on a real port, so that the
product reaches it as it reaches the platform. Callbacks are held until a test delivers them.
"""

import secrets
import threading
from dataclasses import dataclass
from functools import cache
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import httpx
from django.conf import settings
from django.test import Client
from django.urls import reverse

from scrm.wecom.models import ChannelAccount, ChannelKind, WecomConnection
from scrm.wecom.rules.status import ConnectionState, Platform
from scrm.wecom.simulator.app import make_app
from scrm.wecom.simulator.callbacks import Callback
from scrm.wecom.simulator.corp import Corp
from scrm.wecom.simulator.world import World
from tests.accounts.factories import EnterpriseFactory


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass

    def address_string(self):
        return self.client_address[0]


@dataclass
class Served:
    world: World
    url: str


@cache
def served_world() -> Served:
    """The one world of this test process; companies in it do not know each other."""
    world = World(mode="hold")
    server = _Server(("127.0.0.1", 0), _Quiet)
    server.set_app(make_app(world))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return Served(world, f"http://127.0.0.1:{server.server_port}")


@dataclass
class Simulated:
    """A company of the simulator and the connection of an enterprise to it."""

    corp: Corp
    connection: WecomConnection

    @property
    def enterprise(self):
        return self.connection.enterprise

    @property
    def callback_path(self) -> str:
        return reverse("wecom-callback", args=[self.connection.callback_key])

    def post(self, callback: Callback, client: Client | None = None):
        """Deliver one callback to our endpoint and return the response."""
        envelope = callback.signed()
        return (client or Client()).post(
            self.callback_path,
            data=envelope.body,
            content_type="text/xml",
            query_params=envelope.query,
        )

    def deliver(self, callbacks: list[Callback] | None = None) -> int:
        """Post these callbacks, by default all that are held, and expect them to be taken."""
        chosen = self.corp.outbox.take() if callbacks is None else callbacks
        client = Client()
        for callback in chosen:
            response = self.post(callback, client)
            assert response.status_code == 200, (response.status_code, callback.xml)
        return len(chosen)


def simulated_corp(enterprise=None, *, name="某公司", state=ConnectionState.CONNECTED) -> Simulated:
    """A fresh company with one department and nobody in it, connected to ``enterprise``."""
    served = served_world()
    settings.WECOM_SIMULATOR_URL = served.url
    enterprise = enterprise or EnterpriseFactory()
    corp = served.world.create_corp(name)
    account = ChannelAccount.objects.create(
        enterprise=enterprise, name=f"企业微信 {corp.corp_id}", kind=ChannelKind.WECOM
    )
    token, aes_key = secrets.token_hex(12), secrets.token_hex(22)[:43]
    connection = WecomConnection.objects.create(
        enterprise=enterprise,
        account=account,
        platform=Platform.SIMULATOR,
        corp_id=corp.corp_id,
        agent_id=corp.agent_id,
        app_secret=corp.secret,
        callback_key=secrets.token_urlsafe(24),
        callback_token=token,
        callback_aes_key=aes_key,
        state=state,
    )
    corp.set_callback("http://testserver/unused", token, aes_key, verify=False)
    return Simulated(corp, connection)


class PlatformApi:
    """Calls the API of one company inside this process, with a token of one of its apps."""

    def __init__(self, corp: Corp, world: World, secret: str = ""):
        self.corp, self.world, self.secret = corp, world, secret or corp.secret
        self.http = httpx.Client(
            transport=httpx.WSGITransport(app=make_app(world)), base_url="http://127.0.0.1:9000"
        )
        self.token = self.fresh_token()

    def fresh_token(self) -> str:
        query = {"corpid": self.corp.corp_id, "corpsecret": self.secret}
        return self.http.get("/cgi-bin/gettoken", params=query).json()["access_token"]

    def get(self, api: str, **query):
        query = {"access_token": self.token, **query}
        return self.http.get(f"/cgi-bin/{api}", params=query).json()

    def post(self, api: str, **body):
        query = {"access_token": self.token}
        return self.http.post(f"/cgi-bin/{api}", params=query, json=body).json()

    def beside(self, **flags) -> "PlatformApi":
        """The same company through another app of it."""
        return PlatformApi(self.corp, self.world, self.corp.add_app(**flags).secret)

    def code(self, api: str, **body) -> int:
        return self.post(api, **body)["errcode"]


def company(name="某公司", mode="hold") -> PlatformApi:
    """A company without a connection or a database, its callbacks held."""
    world = World(mode=mode)
    corp = world.create_corp(name)
    corp.set_callback("http://127.0.0.1:9/", "token", "a" * 43, verify=False)
    return PlatformApi(corp, world)
