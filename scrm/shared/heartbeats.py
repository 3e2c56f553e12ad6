"""Signs of life of the background processes, by the database's clock."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import DatabaseError, connection
from django.db.models.functions import Now

from scrm.shared.models import Heartbeat

logger = logging.getLogger(__name__)

FORGOTTEN_AFTER = timedelta(days=1)  # hosts come and go; their last beat is no news by then


def beat(process: str, *, kind: str) -> None:
    beaten = Heartbeat.objects.filter(process=process).update(beaten_at=Now())
    if not beaten:
        Heartbeat.objects.bulk_create(
            [Heartbeat(process=process, kind=kind)], ignore_conflicts=True
        )


def beat_quietly(process: str, *, kind: str) -> None:
    """For loops that must go on while the database is away."""
    try:
        beat(process, kind=kind)
    except DatabaseError:
        logger.warning("The heartbeat could not be written.", extra={"beats_for": process})
        connection.close()


def forget_the_gone() -> int:
    deleted, _ = Heartbeat.objects.filter(beaten_at__lt=Now() - FORGOTTEN_AFTER).delete()
    return deleted
