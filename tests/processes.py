"""Real Celery processes on the database and the broker of the running test.

The test must be `django_db(transaction=True)`: other processes see only what is committed.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

from django.conf import settings
from django.db import connection

from scrm.processes import start
from scrm.shared.models import Heartbeat

ROOT = Path(__file__).resolve().parent.parent
ALL_QUEUES = tuple(settings.CELERY_TASK_QUEUES)


def environment(**extra):
    """Of a process that works on this test's database. Broker and cache follow from the worker."""
    described = connection.settings_dict
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": f"postgresql://{described['USER']}@/{described['NAME']}?host={described['HOST']}",
        "REMAP_SIGTERM": "SIGQUIT",
        "PYTHONPATH": str(ROOT),
        **extra,
    }


@contextlib.contextmanager
def celery_worker(folder, *, queues=ALL_QUEUES, concurrency=2, name="e2e", **extra):
    """A worker process that is ready. What it prints is in folder/NAME.log."""
    command = [
        sys.executable, "-m", "celery", "-A", "scrm", "worker", "-P", "prefork",
        "-c", str(concurrency), "-Q", ",".join(queues), "-n", f"{name}@%h",
        "--without-gossip", "--without-mingle",
    ]  # fmt: skip
    with process(folder, name, command, **extra) as child:
        wait_until(
            lambda: Heartbeat.objects.filter(process__startswith=f"worker:{name}@").exists(),
            because=folder / f"{name}.log",
        )
        yield child


@contextlib.contextmanager
def celery_beat(folder, **extra):
    command = [
        sys.executable, "-m", "celery", "-A", "scrm", "beat", "-S", "scrm.beat.BeatingScheduler",
        "-s", str(folder / "beat-schedule"), "--pidfile=",
    ]  # fmt: skip
    with process(folder, "beat", command, **extra) as child:
        yield child


@contextlib.contextmanager
def process(folder, name, command, **extra):
    with (folder / f"{name}.log").open("ab") as log:
        child = start(name, command, log=log, environment=environment(**extra))
    try:
        yield child
    finally:
        child.stop(within=20)


def wait_until(true, *, within=30, because=None):
    """Poll until it holds; the log of whoever should have brought it about tells why not."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            log = because.read_text()[-3000:] if because else ""
            raise AssertionError(f"Still waiting after {within} s.\n{log}")
        time.sleep(0.05)
