"""Taking in activity. Items are events; over HTTP with keep-alive, through the real server.

limit            COPY of the same batches into the same indexed tables of events and keys, each on
                 disk before the next, as each is when it is answered
ours             batches of 500: judged, counted once, added to the days of members
ours:duplicates  all of them once more
ours:singles     one event a request through the buffer, until all are in the table; fails if one
                 in a hundred is not there within two seconds
peer:one         CreateAPIView, one row a POST, into a plain table
peer:many        many=True and bulk_create, 500 rows a POST, into the same
"""

from __future__ import annotations

import hashlib
import json
import random
import selectors
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction

from bench.harness import Case, celery_workers
from bench.join import READY_WITHIN, free_port, listens, wait_until, web_server
from communities.models import Community
from communities.rules.status import CommunityStatus
from members.models import ActivityEvent, Member, MemberDay
from members.services.partitions import ensure_partitions, month_of
from members.services.staging import copy_lines
from scrm.accounts.models import Enterprise, Staff, User
from scrm.accounts.rules.roles import Capability, Role
from scrm.accounts.services.api_keys import create_api_key

SIZE = 200_000
BATCH = 500
CONNECTIONS = 8
MEMBERS = 50_000
COMMUNITIES = 50
A_DAY = 100_000  # events; about four of everybody who says anything that day
SINGLES_MOST = 10_000
SINGLES_RATE = 1_000.0
VISIBLE_WITHIN = 2.0
PEER_MOST = {"peer:one": 2_000, "peer:many": 10_000}
WARM_UP = 40
EVENT_COLUMNS = (
    "members_activityevent (enterprise_id, community_id, member_id, occurred_at, kind, source,"
    " dedupe_key, thread)"
)


# --- The company --------------------------------------------------------------------------------


class Company(NamedTuple):
    enterprise: Enterprise
    communities: list[Community]
    token: str


def company() -> Company:
    """With so many members and communities, and a program that may write activity."""
    enterprise, is_new = Enterprise.objects.get_or_create(
        slug="bench-ingest", defaults={"name": "bench"}
    )
    if is_new:
        people = (
            Member(enterprise=enterprise, external_id=f"customer-{n}", nickname=f"成员{n}")
            for n in range(MEMBERS)
        )
        Member.objects.bulk_create(people, batch_size=5_000)
        owner = Staff.objects.create(enterprise=enterprise, name="群主")
        for n in range(COMMUNITIES):
            Community.objects.create(
                enterprise=enterprise,
                code=f"community-{n}",
                name=f"社群{n}",
                audience_statement="养宠人",
                purpose_statement="互助",
                owner=owner,
                status=CommunityStatus.ACTIVE,
            )
        User.objects.create(
            enterprise=enterprise, username="bench", role=Role.ADMINISTRATOR, is_active=True
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE members_member, communities_community")
    user = User.objects.get(enterprise=enterprise)
    _key, token = create_api_key(
        actor=user, name="bench", scopes=[Capability.INGEST_ACTIVITY, Capability.VIEW_MEMBERS]
    )
    communities = list(Community.objects.filter(enterprise=enterprise).order_by("pk"))
    return Company(enterprise, communities, token)


class Happening(NamedTuple):
    member: int
    community: int
    kind: str
    at: datetime
    key: str
    thread: str


KINDS = ("message",) * 6 + ("comment", "click", "like", "checkin")


def happenings(size: int) -> list[Happening]:
    """What a feed brings, in the order of time: people come, say a few things within minutes, and
    go. Every member has a community of their own."""
    chance = random.Random(20261122)
    now = datetime.now(UTC).replace(microsecond=0)
    seconds = size / A_DAY * 86_400
    found: list[Happening] = []
    while len(found) < size:
        member, begins = chance.randrange(MEMBERS), chance.random() * seconds
        thread = f"thread-{chance.randrange(2000)}"
        for _turn in range(min(1 + int(chance.expovariate(1 / 3)), size - len(found))):
            begins = min(begins + chance.expovariate(1 / 60), seconds)
            at = now - timedelta(seconds=round(seconds - begins))
            kind = chance.choice(KINDS)
            key = f"msg-{len(found):012d}"
            found.append(Happening(member, member % COMMUNITIES, kind, at, key, thread))
    return sorted(found, key=lambda one: one.at)


def described(one: Happening) -> dict[str, str]:
    return {
        "member": f"customer-{one.member}",
        "community": f"community-{one.community}",
        "kind": one.kind,
        "occurred_at": one.at.isoformat(),
        "dedupe_key": one.key,
        "thread": one.thread,
    }


def forget_all() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE members_activityevent, members_activitykey, members_memberday,"
            " members_staleday"
        )
        cursor.execute("DROP TABLE IF EXISTS bench_crm_event")
        cursor.execute(
            "CREATE TABLE bench_crm_event (id bigserial PRIMARY KEY, member_id bigint NOT NULL"
            " REFERENCES members_member, kind varchar(20) NOT NULL,"
            " dedupe_key varchar(128) NOT NULL UNIQUE, occurred_at timestamptz NOT NULL)"
        )
        cursor.execute("CREATE INDEX ON bench_crm_event (member_id, occurred_at)")
    connection.close()


# --- The load -----------------------------------------------------------------------------------


def post(path: str, body: object, token: str) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Line:
    """One connection, one call at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = b""

    def is_answered(self) -> bool:
        self.read += self.socket.recv(65_536)
        head, found, body = self.read.partition(b"\r\n\r\n")
        if not found:
            return False
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or b"0")
        if len(body) < length:
            return False
        if head.split(b" ", 2)[1] not in {b"200", b"201", b"202"}:
            raise RuntimeError(f"Not taken: {self.read[:600]!r}")
        self.read = b""
        return True


def send(port: int, requests: Sequence[bytes], *, rate: float | None = None) -> list[float]:
    """All of them over a few connections, as fast as they go or at a rate. When each was sent."""
    idle = [Line(port) for _ in range(min(CONNECTIONS, len(requests)))]
    lines = list(idle)
    sent_at: list[float] = []
    answered = 0
    began = time.perf_counter()
    with selectors.DefaultSelector() as waiting:
        for line in lines:
            waiting.register(line.socket, selectors.EVENT_READ, line)
        while answered < len(requests):
            while idle and len(sent_at) < len(requests):
                due = began + len(sent_at) / rate if rate else 0.0
                if due > time.perf_counter():
                    break
                idle.pop().socket.sendall(requests[len(sent_at)])
                sent_at.append(time.time())
            pause = 0.001 if rate else 30
            for key, _ in waiting.select(timeout=pause):
                if key.data.is_answered():
                    idle.append(key.data)
                    answered += 1
    for line in lines:
        line.socket.close()
    return sent_at


# --- The cases ----------------------------------------------------------------------------------


class Copied:
    name = "limit"
    most: int | None = None

    def prepare(self, size: int) -> None:
        forget_all()
        found = company()
        members = dict(Member.objects.filter(enterprise=found.enterprise).values_list(
            "external_id", "pk"
        ))  # fmt: skip
        self.events, self.keys = [], []
        prefix = f"{found.enterprise.pk}:bench:"
        rows = happenings(size)
        ensure_partitions({month_of(one.at) for one in rows})
        for one in rows:
            self.events.append(
                f"{found.enterprise.pk}\t{found.communities[one.community].pk}\t"
                f"{members[f'customer-{one.member}']}\t{one.at.isoformat()}\t{one.kind}\tbench\t"
                f"{one.key}\t{one.thread}\n"
            )
            self.keys.append(hashlib.sha256((prefix + one.key).encode()).hexdigest()[:32] + "\n")

    def run(self, size: int) -> int:
        for first in range(0, size, BATCH):
            batch = slice(first, first + BATCH)
            with transaction.atomic(), connection.cursor() as cursor:
                copy_lines(cursor, "members_activitykey (digest)", self.keys[batch])
                copy_lines(cursor, EVENT_COLUMNS, self.events[batch])
        return size

    def verify(self, size: int) -> None:
        assert ActivityEvent.objects.count() == size

    def clean(self) -> None:
        connection.close()


@dataclass
class Served:
    """A case behind the product's web server."""

    name: str
    most: int | None = None
    path: str = "/api/v1/activities/batch"

    def __post_init__(self) -> None:
        self.stack = ExitStack()

    def prepare(self, size: int) -> None:
        forget_all()
        self.company = company()
        self.happenings = happenings(size)
        self.requests = list(self.prepared())
        self.port = free_port()
        server = web_server(self.port, settings="bench._ingest_settings")
        self.stack.callback(server.stop, within=10)
        wait_until(lambda: listens(self.port), within=READY_WITHIN)
        self.warm_up()

    def warm_up(self) -> None:
        """Requests like those to come, whose events are forgotten again."""
        send(self.port, self.requests[:WARM_UP])
        forget_all()

    def prepared(self) -> Iterator[bytes]:
        for first in range(0, len(self.happenings), BATCH):
            items = [described(one) for one in self.happenings[first : first + BATCH]]
            yield post(self.path, {"source": "bench", "items": items}, self.company.token)

    def run(self, size: int) -> int:
        send(self.port, self.requests)
        return size

    def verify(self, size: int) -> None:
        assert ActivityEvent.objects.count() == size
        assert sum_of_days() == size

    def clean(self) -> None:
        self.stack.close()


class Duplicates(Served):
    def warm_up(self) -> None:
        super().warm_up()
        send(self.port, self.requests)


class Singles(Served):
    """At a steady rate, with a worker that empties the buffer at the same time."""

    def prepare(self, size: int) -> None:
        super().prepare(size)
        self.stack.enter_context(celery_workers(1, queues=["sweep"]))

    def warm_up(self) -> None:
        pass

    def prepared(self) -> Iterator[bytes]:
        for one in self.happenings:
            yield post(self.path, {"source": "bench", **described(one)}, self.company.token)

    def run(self, size: int) -> int:
        self.sent_at = send(self.port, self.requests, rate=SINGLES_RATE)
        wait_until(lambda: ActivityEvent.objects.count() >= size, within=30)
        return size

    def verify(self, size: int) -> None:
        assert sum_of_days() == size
        seen = dict(ActivityEvent.objects.values_list("dedupe_key", "received_at"))
        waited = sorted(
            seen[one.key].timestamp() - sent
            for one, sent in zip(self.happenings, self.sent_at, strict=True)
        )
        slow = waited[min(size - 1, int(size * 0.99))]
        told = {"case": self.name, "visible_p50_s": waited[size // 2], "visible_p99_s": slow}
        print(json.dumps(told), file=sys.stderr, flush=True)
        assert slow < VISIBLE_WITHIN, told


@dataclass
class Peer(Served):
    def prepared(self) -> Iterator[bytes]:
        usual = ("member", "kind", "dedupe_key", "occurred_at")
        items = [{name: described(one)[name] for name in usual} for one in self.happenings]
        if self.path.endswith("one"):
            yield from (post(self.path, item, self.company.token) for item in items)
        else:
            for first in range(0, len(items), BATCH):
                yield post(self.path, items[first : first + BATCH], self.company.token)

    def verify(self, size: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM bench_crm_event")
            assert cursor.fetchone() == (size,)


def sum_of_days() -> int:
    counted = MemberDay.objects.all()
    names = ("message", "post", "comment", "checkin", "click", "other")
    return sum(sum(row) for row in counted.values_list(*(f"{name}_count" for name in names)))


def cases() -> list[Case]:
    return [
        Copied(),
        Served("ours"),
        Duplicates("ours:duplicates"),
        Singles("ours:singles", most=SINGLES_MOST, path="/api/v1/activities/"),
        Peer("peer:one", most=PEER_MOST["peer:one"], path="/peer/one"),
        Peer("peer:many", most=PEER_MOST["peer:many"], path="/peer/many"),
    ]
