"""A company's customer groups, read from the simulated WeCom. Items are memberships, 200 a group.

limit:first       every group read over HTTP by as many threads, its rows copied to a table without
                  keys
ours:first        the first full sync: chats, people and stays
limit:second      every group read; the rows of those that changed are copied
ours:second       the next sync: 1 % have left and as many have joined, in one group of ten
limit:everywhere  likewise
ours:everywhere   the one after it: 1 % have changed, so that no group is as it was
ours:killed       a first sync whose worker is killed half way, gone on with by another one

The simulator is a process of its own, and its memory is in the figures; that of the sync is watched
apart, and must not grow with the company.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

import httpx
import psutil
from django.conf import settings
from django.db import connection as database

from bench.harness import ROOT, Case
from bench.join import free_port, listens, wait_until
from communities.models import GroupChat
from members.models import Stay
from scrm.accounts.models import Enterprise
from scrm.processes import Child, start
from scrm.wecom.models import ChannelAccount, ChannelKind, SyncRun, WecomConnection
from scrm.wecom.rules.status import ConnectionState, Platform, SyncScope, SyncState
from scrm.wecom.services.advancing import advance_sync
from scrm.wecom.services.fetching import AT_ONCE
from scrm.wecom.services.syncing import start_sync

SIZE = 400_000
A_GROUP = 200
OWNERS = 20
GROUPS_A_LOAD = 100
LONG_AGO = 1_760_000_000
GROWTH_ALLOWED = 96 * 1024**2  # bytes
KILLED_MOST = 40_000
SLICE = 2.0  # seconds between two looks at the memory


# --- The company on the simulator -----------------------------------------------------------------


class Simulator:
    """The process, and one company in it at a time."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = settings.WECOM_SIMULATOR_URL = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "django", "wecom_simulator", "--port", str(self.port)]
        with (Path(os.environ["SCRM_DATA_DIR"]) / "logs" / "simulator.log").open("ab") as log:
            environment = {**os.environ, "PYTHONPATH": ROOT}
            self.child: Child = start("simulator", command, log=log, environment=environment)
        wait_until(lambda: listens(self.port), within=30)
        self.corp: dict[str, Any] = {}

    def stop(self) -> None:
        self.child.ask_to_stop()
        self.child.stop(within=10)

    def tell(self, path: str, **arguments: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/_sim/{path}",
            data=json.dumps(arguments).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def found_company(self, groups: int) -> None:
        self.corp = self.tell("corps", name="某公司")
        self.tell(f"corps/{self.corp['corp_id']}/set_settings", group_capacity=500)
        staff = [[f"owner-{number}", f"群主{number}"] for number in range(OWNERS)]
        self.tell(f"corps/{self.corp['corp_id']}/load", content={"staff": staff})
        for numbers in batched(range(groups), GROUPS_A_LOAD):
            rows = [group_row(number) for number in numbers]
            self.tell(f"corps/{self.corp['corp_id']}/load", content={"groups": rows})

    def change(self, groups: range, who: range) -> None:
        """In each of these groups some leave and as many join."""
        corp = f"corps/{self.corp['corp_id']}"
        for number in groups:
            gone = [person_id(number, each) for each in who]
            self.tell(f"{corp}/leave", chat_id=chat_id(number), ids=gone)
            self.tell(f"{corp}/join", chat_id=chat_id(number), count=len(gone))


def chat_id(number: int) -> str:
    return f"wr{number:030}"


def person_id(group: int, number: int) -> str:
    return f"wm{group * A_GROUP + number:030}"


def group_row(number: int) -> list[Any]:
    members = [
        [person_id(number, each), LONG_AGO + each, 3, "", "store_07"] for each in range(A_GROUP)
    ]
    return [chat_id(number), f"会员群{number}", f"owner-{number % OWNERS}", LONG_AGO, members]


# --- Cases ----------------------------------------------------------------------------------------


class FirstByHand:
    name = "limit:first"
    most: int | None = None
    copies_unchanged = True

    def prepare(self, size: int) -> None:
        stop_simulators()
        versions.clear()
        self.simulator = simulator_of(size)
        self.empty_table()

    def empty_table(self) -> None:
        with database.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_stays")
            cursor.execute("CREATE UNLOGGED TABLE bench_stays (chat text, person text, name text,"
                           " joined_at timestamptz, scene int, state text)")  # fmt: skip

    def run(self, size: int) -> int:
        self.copied = read = 0
        with httpx.Client(base_url=self.simulator.url, timeout=30) as client:
            self.client, self.token = client, token_of(client, self.simulator.corp)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for chats in batched(self.listed(), 20):
                    groups = list(pool.map(self.group, chats))
                    read += sum(len(each["member_list"]) - 1 for each in groups)
                    self.copy([each for each in groups if self.is_news(each)])
        return read

    def listed(self) -> Iterator[str]:
        cursor = ""
        while True:
            answer = self.ask("list", {"limit": 200, "cursor": cursor})
            yield from (each["chat_id"] for each in answer["group_chat_list"])
            cursor = answer["next_cursor"]
            if not cursor:
                return

    def group(self, chat: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("get", {"chat_id": chat, "need_name": 1})["group_chat"]
        return found

    def ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        path = f"/cgi-bin/externalcontact/groupchat/{what}"
        answer = self.client.post(path, params={"access_token": self.token}, json=body)
        found: dict[str, Any] = answer.json()
        assert not found.get("errcode"), found
        return found

    def is_news(self, group: dict[str, Any]) -> bool:
        former = versions.get(group["chat_id"])
        versions[group["chat_id"]] = group["member_version"]
        return self.copies_unchanged or former != group["member_version"]

    def copy(self, groups: list[dict[str, Any]]) -> None:
        columns = "(chat, person, name, joined_at, scene, state)"
        with (
            database.cursor() as cursor,
            cursor.copy(f"COPY bench_stays {columns} FROM STDIN") as c,
        ):
            for group in groups:
                for each in group["member_list"]:
                    joined_at = datetime.fromtimestamp(each["join_time"], UTC)
                    c.write_row(
                        (group["chat_id"], each["userid"], each["name"], joined_at,
                         each["join_scene"], each.get("state", ""))
                    )  # fmt: skip
                    self.copied += 1

    def verify(self, size: int) -> None:
        assert self.copied == size + size // A_GROUP

    def clean(self) -> None:
        pass


class SecondByHand(FirstByHand):
    name = "limit:second"
    copies_unchanged = False
    every, who = 10, range(10)

    def prepare(self, size: int) -> None:
        self.simulator = simulator_of(size)
        self.changed = range(0, size // A_GROUP, self.every)
        self.simulator.change(self.changed, self.who)
        self.empty_table()

    def verify(self, size: int) -> None:
        assert self.copied == len(self.changed) * (A_GROUP + 1)


class EverywhereByHand(SecondByHand):
    name = "limit:everywhere"
    every, who = 1, range(10, 11)


class First:
    name = "ours:first"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.simulator = simulator_of(size)
        self.connection = connect(self.simulator)

    def run(self, size: int) -> int:
        self.started = start_sync(self.connection.pk, scope=SyncScope.GROUPS, actor=None)
        sizes = [own_memory()]
        while advance_sync(self.started.pk, budget=SLICE):
            sizes.append(own_memory())
        self.grown = max(sizes) - sizes[min(2, len(sizes) - 1)]  # what is loaded once is there then
        return size

    def verify(self, size: int) -> None:
        run = SyncRun.objects.get(pk=self.started.pk)
        counts = run.counts["groups"]
        assert run.state == SyncState.COMPLETED, run.reason
        assert counts["expected"] == counts["seen"] == size // A_GROUP, counts
        assert Stay.objects.open().count() == size, Stay.objects.open().count()
        assert self.grown < GROWTH_ALLOWED, f"The sync grew by {self.grown >> 20} MiB."
        self.verify_counts(size, counts)

    def verify_counts(self, size: int, counts: dict[str, int]) -> None:
        assert counts["joined"] == size, counts

    def clean(self) -> None:
        pass


class Second(First):
    name = "ours:second"
    every, who = SecondByHand.every, SecondByHand.who

    def prepare(self, size: int) -> None:
        """With what has changed since the last one: before the limit was measured again."""
        self.simulator = simulator_of(size)
        self.connection = WecomConnection.objects.get(corp_id=self.simulator.corp["corp_id"])

    def verify_counts(self, size: int, counts: dict[str, int]) -> None:
        changed = len(range(0, size // A_GROUP, self.every)) * len(self.who)
        assert counts["joined"] == counts["left"] == changed, counts


class Everywhere(Second):
    name = "ours:everywhere"
    every, who = EverywhereByHand.every, EverywhereByHand.who


class Killed(First):
    name = "ours:killed"
    most: int | None = KILLED_MOST

    def run(self, size: int) -> int:
        self.started = start_sync(self.connection.pk, scope=SyncScope.GROUPS, actor=None)
        code = (
            "import django; django.setup()\n"
            "from scrm.wecom.services.advancing import advance_sync\n"
            f"advance_sync({self.started.pk}, budget=1e9)"
        )
        chosen = {"SCRM_SIMULATOR_URL": self.simulator.url, "PYTHONPATH": ROOT}
        worker = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **chosen})
        wait_until(lambda: GroupChat.objects.count() >= size // A_GROUP // 2, within=120)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        SyncRun.objects.filter(pk=self.started.pk).update(due_at=datetime(2026, 1, 1, tzinfo=UTC))
        self.grown = 0
        while advance_sync(self.started.pk, budget=SLICE):
            pass
        return size


# --- What the cases share -------------------------------------------------------------------------

simulators: dict[int, Simulator] = {}
versions: dict[str, str] = {}  # of the groups that the limit has read


def simulator_of(size: int) -> Simulator:
    if size not in simulators:
        stop_simulators()
        simulators[size] = Simulator()
        simulators[size].found_company(size // A_GROUP)
    return simulators[size]


def stop_simulators() -> None:
    while simulators:
        _size, simulator = simulators.popitem()
        simulator.stop()


def token_of(client: httpx.Client, corp: dict[str, Any]) -> str:
    asked = {"corpid": corp["corp_id"], "corpsecret": corp["secret"]}
    return str(client.get("/cgi-bin/gettoken", params=asked).json()["access_token"])


def connect(simulator: Simulator) -> WecomConnection:
    """Nothing of the company is known."""
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # what is append-only refuses it
        cursor.execute("TRUNCATE accounts_enterprise CASCADE")
        cursor.execute("RESET session_replication_role")
    enterprise = Enterprise.objects.create(slug=f"sync-{time.time_ns()}", name="sync")
    account = ChannelAccount.objects.create(
        enterprise=enterprise, name="企业微信", kind=ChannelKind.WECOM
    )
    return WecomConnection.objects.create(
        enterprise=enterprise,
        account=account,
        platform=Platform.SIMULATOR,
        corp_id=simulator.corp["corp_id"],
        agent_id=simulator.corp["agent_id"],
        app_secret=simulator.corp["secret"],
        callback_key=f"bench-{time.time_ns()}",
        callback_token="bench",
        callback_aes_key="a" * 43,
        state=ConnectionState.CONNECTED,
    )


def own_memory() -> int:
    return int(psutil.Process().memory_info().rss)


def cases() -> list[Case]:
    return [
        FirstByHand(),
        First(),
        SecondByHand(),
        Second(),
        EverywhereByHand(),
        Everywhere(),
        Killed(),
    ]
