"""A burst of scans on one poster. Items are answered redirects, over HTTP with keep-alive.

limit  a bare Django view that returns a redirect, behind the same server and middleware
ours   /j/CODE: routed by room and weight, every scan counted
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from django.db import transaction
from django.db.models import Sum

from bench.harness import ROOT, Case
from communities.models import Community, EntryPolicy, GroupChat, JoinRoute, JoinWay, JoinWayDay
from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus
from communities.services.ownership.owning import own_new_chats
from scrm.accounts.models import Enterprise, Staff
from scrm.processes import Child, start
from scrm.wecom.models import ChannelAccount

SIZE = 20_000
CONNECTIONS = 16
WARM_UP = 400
CHATS = 5
READY_WITHIN = 30.0
WRITTEN_WITHIN = 10.0
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit MicroMessenger/8.0.50"


# --- The server ---------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def web_server(port: int, *, settings: str = "bench._join_settings") -> Child:
    """As the product runs it, with as many processes and threads."""
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "scrm.wsgi:application",
        "--host", "127.0.0.1", "--port", str(port), "--no-ws",
        "--workers", "2", "--blocking-threads", "4",
    ]  # fmt: skip
    chosen = {"DJANGO_SETTINGS_MODULE": settings, "PYTHONPATH": ROOT}
    with (Path(os.environ["SCRM_DATA_DIR"]) / "logs" / "web.log").open("ab") as log:
        return start("web", command, log=log, environment={**os.environ, **chosen})


def wait_until(condition: Callable[[], bool], *, within: float) -> None:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"Not so within {within:.0f} s.")
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- The load -----------------------------------------------------------------------------------


class Visitor:
    """One connection that asks again as soon as it was answered."""

    def __init__(self, port: int, path: str) -> None:
        self.asking = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: {AGENT}\r\n"
            "Accept: text/html,*/*;q=0.8\r\nAccept-Language: zh-CN,zh;q=0.9\r\n\r\n"
        ).encode()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = b""

    def ask(self) -> None:
        self.socket.sendall(self.asking)

    def is_answered(self) -> bool:
        """Reads what has come. The answer of a redirect is its head."""
        received = self.socket.recv(65_536)
        if not received:
            raise RuntimeError("The server hung up.")
        self.read += received
        if not self.read.endswith(b"\r\n\r\n"):
            return False
        head, self.read = self.read.lower(), b""
        if not head.startswith(b"http/1.1 302") or b"location: https://chat.example/" not in head:
            raise RuntimeError(f"Not a redirect into a chat: {head[:200]!r}")
        return True


def visit(port: int, path: str, size: int) -> int:
    """So many answers over ``CONNECTIONS`` connections; returns how many came."""
    left, answered = size, 0
    visitors = [Visitor(port, path) for _ in range(min(CONNECTIONS, size))]
    with selectors.DefaultSelector() as waiting:
        for visitor in visitors:
            waiting.register(visitor.socket, selectors.EVENT_READ, visitor)
            visitor.ask()
            left -= 1
        while answered < size:
            for key, _ in waiting.select(timeout=10):
                visitor = key.data
                if visitor.is_answered():
                    answered += 1
                    if left:
                        visitor.ask()
                        left -= 1
    for visitor in visitors:
        visitor.socket.close()
    return answered


# --- The cases ----------------------------------------------------------------------------------


class Redirect:
    name: str
    most: int | None = None

    def path(self) -> str:
        raise NotImplementedError

    def prepare(self, size: int) -> None:
        address = self.path()
        self.port = free_port()
        self.address = address
        self.server = web_server(self.port)
        wait_until(lambda: listens(self.port), within=READY_WITHIN)
        visit(self.port, address, WARM_UP)

    def run(self, size: int) -> int:
        return visit(self.port, self.address, size)

    def verify(self, size: int) -> None:
        pass

    def clean(self) -> None:
        self.server.stop(within=10)


class BareRedirect(Redirect):
    name = "limit"

    def path(self) -> str:
        return "/bare"


class JoinWayRedirect(Redirect):
    name = "ours"

    def path(self) -> str:
        self.way = poster()
        JoinWayDay.objects.filter(join_way=self.way).delete()
        return f"/j/{self.way.code}"

    def verify(self, size: int) -> None:
        """Every scan is in the database a moment later."""
        expected = size + WARM_UP
        wait_until(lambda: scans_of(self.way) >= expected, within=WRITTEN_WITHIN)
        assert scans_of(self.way) == expected


def scans_of(way: JoinWay) -> int:
    total = JoinWayDay.objects.filter(join_way=way).aggregate(total=Sum("scan_count"))["total"]
    return int(total or 0)


def poster() -> JoinWay:
    """A way to some chats of an open community; made once."""
    found = JoinWay.objects.filter(source="bench").first()
    if found is not None:
        return found
    enterprise = Enterprise.objects.create(slug="bench-join", name="bench")
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
    account = ChannelAccount.objects.create(enterprise=enterprise, name="noop", kind="noop")
    way = JoinWay.objects.create(
        enterprise=enterprise, community=community, code="benchay", name="海报", source="bench"
    )
    for number in range(CHATS):
        with transaction.atomic():
            chat = GroupChat.objects.create(
                enterprise=enterprise,
                channel_account=account,
                external_id=f"chat-{number}",
                name=f"群{number}",
                community=community,
                join_url=f"https://chat.example/{number}",
            )
            own_new_chats([chat])
        JoinRoute.objects.create(join_way=way, chat=chat, weight=number)
    return way


def cases() -> list[Case]:
    return [BareRedirect(), JoinWayRedirect()]
