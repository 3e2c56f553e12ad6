"""Celery's doors of members."""

from __future__ import annotations

from celery import shared_task

from members.services.joining import seat_waiting_applications


@shared_task(name="members.sweep_waiting_applications", queue="sweep")
def sweep_waiting_applications() -> None:
    seat_waiting_applications()
