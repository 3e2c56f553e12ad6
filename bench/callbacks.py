"""Callbacks of WeCom. Items are callbacks, over HTTP with keep-alive, joins and leaves in chats.

limit           a bare Django view that stores the body, behind the same server and middleware
ours            signed callbacks: verified, decrypted, stored, answered, as fast as they go
ours:steady     250 a second for a while, with a worker that processes them at the same time; fails
                if one answer in a hundred takes 200 ms, or if the worker falls behind
ours:processed  what is stored becomes history, in one process

A load of its own makes the signatures before anything is measured.
"""

from __future__ import annotations

import json
import secrets
import selectors
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db import connection as database
from django.db import transaction

from bench.harness import Case, celery_workers
from bench.join import READY_WITHIN, free_port, listens, wait_until, web_server
from communities.models import Community, EntryPolicy, GroupChat
from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus
from communities.services.ownership.owning import own_new_chats
from scrm.accounts.models import Enterprise, Staff
from scrm.wecom.models import ChannelAccount, ChannelKind, InboundEvent, WecomConnection
from scrm.wecom.rules.callback_crypto import encrypt, signature
from scrm.wecom.rules.status import ConnectionState, EventState
from scrm.wecom.services.processing import process_slice
from scrm.wecom.tasks import sweep_inbox

SIZE = 20_000
CONNECTIONS = 16
CHATS = 100
PEOPLE = 100  # in a chat, coming and going
STEADY_RATE = 250.0
STEADY_MOST = 7_500  # half a minute
SLOWEST_ALLOWED = 0.2  # seconds, of all but one in a hundred
BEHIND_ALLOWED = 3.0  # seconds after the last answer
TOKEN, AES_KEY = "benchToken", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
GOOD = b"success"


# --- The load -------------------------------------------------------------------------------------


def http_post(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Mozilla/4.0\r\nAccept: */*\r\n"
        f"Content-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Line:
    """One connection, one call at a time. ``due_at`` is when the call should have been made."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = b""
        self.due_at = 0.0

    def call(self, request: bytes, due_at: float) -> None:
        self.due_at = due_at
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        received = self.socket.recv(65_536)
        if not received:
            raise RuntimeError("The server hung up.")
        self.read += received
        if not self.read.endswith(GOOD):
            if b" 403 " in self.read or b" 50" in self.read[:20]:
                raise RuntimeError(f"Not taken: {self.read[:200]!r}")
            return False
        self.read = b""
        return True


def send(port: int, requests: Sequence[bytes], *, rate: float | None = None) -> list[float]:
    """All of them over a few connections, as fast as they go or at a rate; seconds that each took,
    from the moment when it was due, whether or not a connection was free by then."""
    idle = [Line(port) for _ in range(min(CONNECTIONS, len(requests)))]
    took: list[float] = []
    began, sent = time.perf_counter(), 0
    with selectors.DefaultSelector() as waiting:
        for line in idle:
            waiting.register(line.socket, selectors.EVENT_READ, line)
        while len(took) < len(requests):
            now = time.perf_counter()
            while idle and sent < len(requests):
                due_at = began + sent / rate if rate else now
                if due_at > now:
                    break
                idle.pop().call(requests[sent], due_at)
                sent += 1
            until_next = began + sent / rate - now if rate and idle and sent < len(requests) else 5
            for key, _ in waiting.select(timeout=max(0.0, until_next)):
                line = key.data
                if line.is_answered():
                    took.append(time.perf_counter() - line.due_at)
                    idle.append(line)
    for line in idle:
        line.socket.close()
    return took


# --- The company ----------------------------------------------------------------------------------


def company() -> WecomConnection:
    """A company on WeCom with chats of a community open to all; made once."""
    found = WecomConnection.objects.filter(corp_id="wwbench").first()
    if found is not None:
        return found
    enterprise = Enterprise.objects.create(slug="bench-callbacks", name="bench")
    community = Community.objects.create(
        enterprise=enterprise,
        code="bench",
        name="滨江养宠群",
        audience_statement="养宠人",
        purpose_statement="互助",
        owner=Staff.objects.create(enterprise=enterprise, name="群主"),
        status=CommunityStatus.ACTIVE,
    )
    EntryPolicy.objects.create(
        community=community, version=1, mode=EntryMode.OPEN, is_active=True, criterion={}
    )
    account = ChannelAccount.objects.create(
        enterprise=enterprise, name="企业微信", kind=ChannelKind.WECOM
    )
    with transaction.atomic():
        for number in range(CHATS):
            chat = GroupChat.objects.create(
                enterprise=enterprise,
                channel_account=account,
                external_id=chat_id(number),
                name=f"群{number}",
                community=community,
            )
            own_new_chats([chat])
    return WecomConnection.objects.create(
        enterprise=enterprise,
        account=account,
        corp_id="wwbench",
        agent_id=1000002,
        app_secret="bench",
        callback_key=secrets.token_urlsafe(32),
        callback_token=TOKEN,
        callback_aes_key=AES_KEY,
        state=ConnectionState.CONNECTED,
    )


def chat_id(number: int) -> str:
    return f"wrBench{number:025d}"


def messages(size: int) -> list[bytes]:
    """People come to the chats and leave them again, two seconds between any two of a chat."""
    began = int(time.time()) - 2 * size // CHATS
    run = secrets.token_hex(4)
    return [message(run, number, began) for number in range(size)]


def message(run: str, number: int, began: int) -> bytes:
    chat, turn = number % CHATS, number // CHATS
    leaves = turn % 2 == 1
    person = f"wmBench{run}{chat:06d}{turn // 2 % PEOPLE:010d}"
    return (
        "<xml><ToUserName><![CDATA[wwbench]]></ToUserName>"
        "<FromUserName><![CDATA[sys]]></FromUserName>"
        f"<CreateTime>{began + 2 * turn}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        "<Event><![CDATA[change_external_chat]]></Event>"
        f"<ChatId><![CDATA[{chat_id(chat)}]]></ChatId>"
        "<ChangeType><![CDATA[update]]></ChangeType>"
        f"<UpdateDetail><![CDATA[{'del_member' if leaves else 'add_member'}]]></UpdateDetail>"
        "<JoinScene>3</JoinScene><QuitScene>0</QuitScene><MemChangeCnt>1</MemChangeCnt>"
        f"<MemChangeList><Item>{person}</Item></MemChangeList>"
        f"<LastMemVer>{run}{turn:024x}</LastMemVer><CurMemVer>{run}{turn + 1:024x}</CurMemVer>"
        "</xml>"
    ).encode()


def signed_post(connection: WecomConnection, inner: bytes) -> bytes:
    encrypted = encrypt(AES_KEY, inner, connection.corp_id)
    timestamp, nonce = str(int(time.time())), secrets.token_hex(5)
    query = urlencode(
        {
            "msg_signature": signature(TOKEN, timestamp, nonce, encrypted),
            "timestamp": timestamp,
            "nonce": nonce,
        }
    )
    body = (
        f"<xml><ToUserName><![CDATA[{connection.corp_id}]]></ToUserName>"
        f"<AgentID><![CDATA[1000002]]></AgentID><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    ).encode()
    return http_post(f"/wecom/callback/{connection.callback_key}?{query}", body)


def forget_all() -> None:
    with database.cursor() as cursor:
        cursor.execute("TRUNCATE wecom_inboundevent, wecom_readrequest")


def waiting_events() -> int:
    return InboundEvent.objects.filter(state=EventState.WAITING).count()


# --- The cases ------------------------------------------------------------------------------------


@dataclass
class Served:
    """A case behind the product's web server."""

    name: str
    most: int | None = None

    def __post_init__(self) -> None:
        self.stack = ExitStack()

    def prepare(self, size: int) -> None:
        self.connection = company()
        self.requests = self.prepared(size)
        self.port = free_port()
        server = web_server(self.port, settings="bench._callbacks_settings")
        self.stack.callback(server.stop, within=10)
        wait_until(lambda: listens(self.port), within=READY_WITHIN)
        send(self.port, self.prepared(CONNECTIONS * 10))
        forget_all()

    def prepared(self, size: int) -> list[bytes]:
        return [signed_post(self.connection, inner) for inner in messages(size)]

    def run(self, size: int) -> int:
        return len(send(self.port, self.requests))

    def verify(self, size: int) -> None:
        assert InboundEvent.objects.count() == size

    def clean(self) -> None:
        self.stack.close()


class BareStore(Served):
    def prepared(self, size: int) -> list[bytes]:
        with database.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_body")
            cursor.execute("CREATE TABLE bench_body (id bigserial PRIMARY KEY, body text NOT NULL)")
        bodies = [each.partition(b"\r\n\r\n")[2] for each in super().prepared(size)]
        return [http_post("/bare", body) for body in bodies]

    def verify(self, size: int) -> None:
        with database.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM bench_body")
            (stored,) = cursor.fetchone()
        assert stored >= size


class Steady(Served):
    """Half of what is promised, with the worker at it all the while."""

    def prepare(self, size: int) -> None:
        super().prepare(size)
        self.stack.enter_context(celery_workers(1, queues=["callbacks"]))

    def run(self, size: int) -> int:
        self.took = sorted(send(self.port, self.requests, rate=STEADY_RATE))
        self.behind = seconds_until(lambda: waiting_events() == 0)
        return len(self.took)

    def verify(self, size: int) -> None:
        slow = self.took[min(size - 1, int(size * 0.99))]
        told = {
            "case": self.name,
            "rate": STEADY_RATE,
            "p50_ms": round(self.took[size // 2] * 1000, 1),
            "p99_ms": round(slow * 1000, 1),
            "slowest_ms": round(self.took[-1] * 1000, 1),
            "behind_s": round(self.behind, 2),
        }
        print(json.dumps(told), file=sys.stderr, flush=True)
        assert InboundEvent.objects.filter(state=EventState.PROCESSED).count() == size
        assert slow < SLOWEST_ALLOWED, told
        assert self.behind < BEHIND_ALLOWED, told


class Processed:
    name = "ours:processed"
    most: int | None = SIZE

    def prepare(self, size: int) -> None:
        from scrm.wecom.rules.envelopes import event_of
        from scrm.wecom.services.inbox import store_callback

        connection = company()
        forget_all()
        for inner in messages(size):
            store_callback(connection, event_of(inner), inner)

    def run(self, size: int) -> int:
        while process_slice():
            pass
        return InboundEvent.objects.filter(state=EventState.PROCESSED).count()

    def verify(self, size: int) -> None:
        pass

    def clean(self) -> None:
        pass


def seconds_until(condition: Callable[[], bool]) -> float:
    began = time.perf_counter()
    while not condition():
        if time.perf_counter() > began + 60:
            break
        sweep_inbox()
        time.sleep(0.1)
    return time.perf_counter() - began


def cases() -> list[Case]:
    return [
        BareStore("limit"),
        Served("ours"),
        Steady("ours:steady", most=STEADY_MOST),
        Processed(),
    ]
