"""How much later it is on the platform that a broadcast goes through."""

from __future__ import annotations

from datetime import timedelta

from campaigns.models import Broadcast
from scrm.wecom.services.platform_clock import clock_ahead


def ahead_of(broadcast: Broadcast) -> timedelta:
    """Nothing for channels without a platform of their own, and for the official one."""
    connection = getattr(broadcast.channel_account, "connection", None)
    return timedelta(0) if connection is None else clock_ahead(connection)
