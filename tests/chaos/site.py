"""A whole installation in processes of its own, for one test, and the means to hurt it."""

import os
import random
import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import redis
from django.core.management import call_command
from django.db import connection

from campaigns.models import Broadcast, Dispatch, Run
from campaigns.rules.status import BroadcastStatus
from scrm import env
from scrm.embedded import Engines, locate
from scrm.processes import Child, start

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("CHAOS_SEED", "20261122"))
PATIENCE = 60.0


@dataclass
class Site:
    """Its database is the one that the test's own connection is using."""

    folder: Path
    channel: str
    engines: Engines
    gateway_url: str
    expected: set[str]  # the recipients that the broadcast is meant for
    children: list[Child] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    # --- processes ---

    def start_worker(self, *, slots=3) -> Child:
        queues = "callbacks,welcome,drain,bulk,sweep"
        return self._celery(
            "worker",
            "worker",
            f"--concurrency={slots}",
            f"--queues={queues}",
            f"--hostname=chaos{len(self.children)}@%h",
            "--without-gossip",
            "--without-mingle",
            "--loglevel=WARNING",
        )

    def start_beat(self) -> Child:
        return self._celery("beat", "beat", "--loglevel=WARNING", "--pidfile=")

    def _celery(self, name, *arguments) -> Child:
        number = len(self.children)
        place = self.engines.place
        broker = env.broker(place.redis_url)
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "CHAOS_DATABASE": connection.settings_dict["NAME"],
            "CHAOS_DATABASE_HOST": connection.settings_dict["HOST"],
            "CHAOS_BROKER": broker,
            "CHAOS_CACHE": env.redis_database(place.redis_url, 1),
            "CHAOS_BEAT_FILE": str(self.folder / f"beat-{number}"),
            "CHAOS_CHANNEL": f"tests.chaos.channels.{self.channel}",
        }
        with (self.folder / f"{name}-{number}.log").open("wb") as log:
            child = start(
                f"{name}-{number}",
                [sys.executable, "-W", "default", "-m", "celery", "-A", "scrm", *arguments],
                log=log,
                environment=environment,
                folder=ROOT,
            )
        self.children.append(child)
        return child

    def stop(self):
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.stop(within=0.5)
        for child in self.children:
            child.process.wait()

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))

    # --- harm ---

    def kill_a_caller_of(self, worker: Child) -> bool:
        """SIGKILL a pool process in the middle of a call to the gateway, if there is one."""
        callers = self.callers_of(worker)
        if not callers:
            return False
        os.kill(self.chance.choice(callers).pid, signal.SIGKILL)
        return True

    def freeze_a_caller_of(self, worker: Child) -> psutil.Process | None:
        """SIGSTOP a pool process whose call the gateway still has in hand, if there is one."""
        for process in self.callers_of(worker):
            port = calling_from(process, self.gateway_port)
            process.suspend()
            if port in self.ledger()["in_hand"]:
                return process
            process.resume()
        return None

    def callers_of(self, worker: Child) -> list[psutil.Process]:
        """The pool processes that are in the middle of a call."""
        pool = psutil.Process(worker.pid).children()
        return [one for one in pool if is_calling(one, self.gateway_port)]

    @property
    def gateway_port(self) -> int | None:
        return urlsplit(self.gateway_url).port

    def kill_engine(self, name: str) -> None:
        child = self.engines.child(name)
        os.kill(child.pid, signal.SIGKILL)
        child.process.wait()

    def empty_broker(self) -> None:
        redis.Redis.from_url(self.engines.place.redis_url).flushall()

    def stop_database_dead(self) -> None:
        """An immediate shutdown: no checkpoint, every connection cut."""
        postgres = self.engines.child("postgres")
        os.kill(postgres.pid, signal.SIGQUIT)
        postgres.process.wait()

    # --- the other side ---

    def reset_gateway(self, **wishes) -> None:
        httpx.post(f"{self.gateway_url}/reset", json={"seed": SEED, **wishes})

    def ledger(self) -> dict:
        return httpx.get(f"{self.gateway_url}/ledger").json()

    def judge(self) -> "Judgement":
        page = self.ledger()
        reached = page["effects"]
        return Judgement(
            lost=len(self.expected - reached.keys()),
            repeated=sum(reached.get(ref, 1) - 1 for ref in self.expected),
            strangers=len(reached.keys() - self.expected),
            stats=page["stats"],
        )


@dataclass(frozen=True)
class Judgement:
    """By the gateway's ledger."""

    lost: int
    repeated: int
    strangers: int
    stats: dict[str, int]


def is_calling(process: psutil.Process, port: int) -> bool:
    return calling_from(process, port) is not None


def calling_from(process: psutil.Process, port: int) -> int | None:
    """The process's own port of its connection to that port."""
    with suppress(psutil.Error):
        for one in process.net_connections():
            if one.raddr and one.raddr.port == port:
                return one.laddr.port
    return None


def leases_lost(run: Run) -> int:
    return sum(Dispatch.objects.filter(run=run).values_list("lost_count", flat=True))


def wait_until(condition, *, within=PATIENCE, every=0.1, site=None):
    deadline = time.monotonic() + within
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {within} s.\n{site.log() if site else ''}")
        time.sleep(every)


@contextmanager
def gateway_process():
    """(url, child)"""
    read, write = os.pipe()
    child = start(
        "gateway", [sys.executable, str(Path(__file__).with_name("gateway.py"))], log=write
    )
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            port = int(pipe.readline())
        yield f"http://127.0.0.1:{port}"
    finally:
        child.stop(within=1)


def engines_at(folder: Path, *, durable=False, **parts) -> Engines:
    return Engines(locate(folder), durable=durable, **parts)


@contextmanager
def migrated_database(engines: Engines):
    """The test's connection leads to these engines, where all tables are made."""
    usual = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(HOST=str(engines.place.sockets), NAME="scrm", USER="scrm")
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connection.close()
        connection.settings_dict.update(usual)


def is_over(broadcast: Broadcast) -> bool:
    broadcast.refresh_from_db(fields=["status"])
    return broadcast.status in {
        BroadcastStatus.COMPLETED,
        BroadcastStatus.PARTIALLY_COMPLETED,
        BroadcastStatus.FAILED,
        BroadcastStatus.CANCELLED,
    }


def say(text: str) -> None:
    """For whoever reads the output of a failed run, or of ``pytest -s``."""
    sys.stdout.write(f"{text}\n")
