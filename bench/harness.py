"""Run the cases of a benchmark in turn and measure each the same way.

A benchmark is a module in this folder with ``SIZE`` and ``cases()``:

    SIZE = 100_000                      # items of a full run

    class Limit:
        name = "limit"                  # "limit", "ours" or "peer:NAME"; for a second question
                                        # "limit:WHAT" and "ours:WHAT"
        most = None                     # a slow peer may be run with fewer items
        def prepare(self, size): ...    # not measured: empty tables, fresh input, workers started
        def run(self, size): ...        # measured; returns how many items it did
        def verify(self, size): ...     # not measured: raise if the work was not really done
        def clean(self): ...            # not measured: stop what prepare started

    def cases() -> list[Case]: return [Limit(), Ours(), Peer()]

Django is set up, the database migrated and the engines running when the module is imported. The
engines and every worker are children of this process, so their CPU is in the figures; memory is
that of our own processes without the engines.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import psutil

from scrm.embedded import Engines, locate
from scrm.processes import Child, start

ROOT = str(Path(__file__).resolve().parent.parent)
SAMPLE_SECONDS = 0.25
WORKERS_READY_WITHIN = 60.0
# Checkpoints in the middle of a round measure the luck of the round.
POSTGRES_OPTIONS = ("max_wal_size=8GB", "shared_buffers=512MB", "checkpoint_timeout=30min")


class Case(Protocol):
    name: str
    most: int | None

    def prepare(self, size: int) -> None: ...
    def run(self, size: int) -> int: ...
    def verify(self, size: int) -> None: ...
    def clean(self) -> None: ...


@dataclass(frozen=True)
class Figures:
    """One round of one case: a line of the output."""

    name: str
    case: str
    size: int
    round: int
    items_per_s: float
    cpu_us_per_item: float
    wal_bytes_per_item: float
    peak_pss_mib: float


# --- The servers --------------------------------------------------------------------------------


@contextlib.contextmanager
def own_servers() -> Iterator[Engines]:
    """Engines in a folder of their own, the database migrated, Django set up."""
    for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SCRM_CACHE_URL"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="scrm-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        os.environ["SCRM_DATA_DIR"] = str(Path(folder) / "data")
        os.environ["DJANGO_SETTINGS_MODULE"] = "scrm.settings"
        os.environ["SCRM_LOG_LEVEL"] = "WARNING"
        os.environ["SCRM_STATEMENT_TIMEOUT_MS"] = "0"
        place = locate(Path(folder) / "data")
        engines = Engines(place, postgres_options=POSTGRES_OPTIONS).start()
        try:
            _set_up_django()
            yield engines
        finally:
            _close_connections()
            engines.stop()


def _set_up_django() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()


# --- Worker processes ---------------------------------------------------------------------------


@contextlib.contextmanager
def celery_workers(
    count: int, *, queues: Sequence[str], app: str = "scrm", options: Sequence[str] = ()
) -> Iterator[list[Child]]:
    """``count`` workers with one process each, ready to work; stopped at the end."""
    logs = Path(os.environ["SCRM_DATA_DIR"]) / "logs"
    children: list[Child] = []
    began = _database_time()
    try:
        for number in range(count):
            command = [
                sys.executable, "-m", "celery", "-A", app, "worker", "-P", "prefork", "-c", "1",
                "-Q", ",".join(queues), "-n", f"bench{number}@%h",
                "--without-gossip", "--without-mingle", *options,
            ]  # fmt: skip
            with (logs / f"worker-{number}.log").open("ab") as log:
                environment = {**os.environ, "REMAP_SIGTERM": "SIGQUIT", "PYTHONPATH": ROOT}
                children.append(
                    start(f"worker-{number}", command, log=log, environment=environment)
                )
        _wait_until_ready(children, began, logs)
        yield children
    finally:
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.stop(within=15)


def _database_time() -> object:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def _wait_until_ready(children: list[Child], began: object, logs: Path) -> None:
    from scrm.shared.models import Heartbeat

    deadline = time.monotonic() + WORKERS_READY_WITHIN
    beats = Heartbeat.objects.filter(kind="worker", beaten_at__gte=began)
    while beats.count() < len(children):
        dead = [child for child in children if not child.is_alive()]
        if dead or time.monotonic() > deadline:
            text = (logs / f"{(dead or children)[0].name}.log").read_text(errors="replace")
            raise RuntimeError(f"The workers did not come up:\n{text[-2000:]}")
        time.sleep(0.05)


# --- Measuring ----------------------------------------------------------------------------------


def _family() -> list[psutil.Process]:
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def _cpu_seconds() -> float:
    """Of every process of ours, the engines included, with what their dead children used."""
    total = 0.0
    for process in _family():
        with contextlib.suppress(psutil.Error):
            used = process.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
    return total


def _wal_bytes() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
        return int(cursor.fetchone()[0])


def _pss_mib(process: psutil.Process) -> float:
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    with contextlib.suppress(psutil.Error):
        return float(process.memory_info().rss / 1024**2)
    return 0.0


class MemoryWatch:
    """The highest memory our processes had together, sampled; pages they share count once."""

    def __init__(self, engines: Engines) -> None:
        self.engines = {child.pid for child in engines.children}
        self.peak = 0.0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self) -> None:
        while True:
            self.peak = max(self.peak, self.sample())
            if self.over.wait(SAMPLE_SECONDS):
                return

    def sample(self) -> float:
        mine = [p for p in _family() if p.pid not in self.engines and not self.is_of_engines(p)]
        return sum(_pss_mib(process) for process in mine)

    def is_of_engines(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return process.ppid() in self.engines
        return True

    def __enter__(self) -> MemoryWatch:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def measure(benchmark: str, case: Case, *, size: int, number: int, engines: Engines) -> Figures:
    size = min(size, case.most) if case.most else size
    try:
        case.prepare(size)
        with MemoryWatch(engines) as memory:
            wal, cpu, began = _wal_bytes(), _cpu_seconds(), time.perf_counter()
            items = case.run(size)
            seconds = time.perf_counter() - began
            cpu, wal = _cpu_seconds() - cpu, _wal_bytes() - wal
        case.verify(size)
    finally:
        case.clean()
    if items != size:
        raise RuntimeError(f"{case.name} did {items} of {size} items.")
    return Figures(
        name=benchmark,
        case=case.name,
        size=size,
        round=number,
        items_per_s=round(items / seconds, 1),
        cpu_us_per_item=round(cpu * 1e6 / items, 2),
        wal_bytes_per_item=round(wal / items, 1),
        peak_pss_mib=round(memory.peak, 1),
    )


def summarise(benchmark: str, rounds: list[Figures]) -> dict[str, object]:
    """Medians of every case, and ours as a multiple of the limit and of each peer."""
    medians = {
        case: _medians([each for each in rounds if each.case == case]) for case in _order(rounds)
    }
    summary: dict[str, object] = {
        "name": benchmark,
        "case": "summary",
        "size": max(each.size for each in rounds),
        "round": max(each.round for each in rounds),
        "medians": medians,
    }
    for case, figures in medians.items():
        ours = medians.get(_ours_beside(case))
        if ours and ours is not figures:
            summary[f"to_{case}"] = round(ours["items_per_s"] / figures["items_per_s"], 3)
            summary[f"cpu_to_{case}"] = round(
                ours["cpu_us_per_item"] / max(figures["cpu_us_per_item"], 0.001), 4
            )
    return summary


def _ours_beside(case: str) -> str:
    """What a case is compared with: "limit:WHAT" with "ours:WHAT", everything else with "ours"."""
    kind, _colon, what = case.partition(":")
    return f"ours:{what}" if kind in {"limit", "ours"} and what else "ours"


def _order(rounds: list[Figures]) -> list[str]:
    return list(dict.fromkeys(each.case for each in rounds))


def _medians(rounds: list[Figures]) -> dict[str, float]:
    fields = ("size", "items_per_s", "cpu_us_per_item", "wal_bytes_per_item", "peak_pss_mib")
    return {
        name: round(statistics.median(asdict(each)[name] for each in rounds), 2) for name in fields
    }


def machine() -> str:
    """For people who compare figures of two runs."""
    version = subprocess.run(
        ["uname", "-srm"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return f"{version}, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}"
