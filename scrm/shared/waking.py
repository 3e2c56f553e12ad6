"""Hurrying a worker. The message is a wake-up: what is due is a row, which a sweep finds anyway."""

from __future__ import annotations

import logging
from typing import Any

from celery import Task
from kombu.exceptions import OperationalError as BrokerDown

logger = logging.getLogger(__name__)

EXPIRES = 4  # seconds; by then the next sweep has sent another one


def wake(task: Task[..., None], *arguments: Any, expires: float = EXPIRES) -> None:
    """Have a task run now. Without a broker nothing is lost: the sweep wakes a worker later."""
    try:
        task.apply_async(arguments, expires=expires)
    except BrokerDown:
        logger.warning("The broker is away; the sweep will go on.", extra={"task_name": task.name})
