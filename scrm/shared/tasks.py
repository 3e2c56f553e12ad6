"""Celery's doors of the platform itself."""

from __future__ import annotations

from celery import shared_task

from scrm.shared.heartbeats import beat, forget_the_gone


@shared_task(name="shared.sweep_heartbeat")
def sweep_heartbeat() -> None:
    """Scheduler, broker and worker together brought this about: their common sign of life."""
    beat("queue:sweep", kind="queue")
    forget_the_gone()
