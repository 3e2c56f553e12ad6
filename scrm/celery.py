"""The Celery application. Tasks are found in each app's tasks.py; settings start with CELERY_."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from celery import Celery, bootsteps, signals

if TYPE_CHECKING:
    from celery.worker import WorkController
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scrm.settings")

app = Celery("scrm")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

HEARTBEAT_SECONDS = 10


@signals.setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Django's LOGGING is in force already; with a receiver here Celery adds nothing to it."""


@signals.task_prerun.connect
def leave_dead_connections(**_: object) -> None:
    """CELERY_DB_REUSE_MAX keeps the session, also one that died with the database: look at it."""
    close_old_connections()


class SignOfLife(bootsteps.StartStopStep):
    """The worker's event loop writes a heartbeat, so a frozen worker falls silent."""

    requires = ("celery.worker.components:Timer",)

    def start(self, parent: WorkController) -> None:
        from scrm.shared.heartbeats import beat_quietly  # noqa: PLC0415 - needs the app registry

        name = f"worker:{parent.hostname}"  # type: ignore[attr-defined]  # the stubs lack it
        beat_quietly(name, kind="worker")
        assert parent.timer is not None
        self.entry = parent.timer.call_repeatedly(  # type: ignore[attr-defined]  # kombu is untyped
            HEARTBEAT_SECONDS, beat_quietly, (name,), {"kind": "worker"}
        )

    def stop(self, parent: WorkController) -> None:
        self.entry.cancel()


app.steps["worker"].add(SignOfLife)
