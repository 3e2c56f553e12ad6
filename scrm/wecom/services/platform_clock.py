"""What time it is on the platform. WeCom goes by the time of the world, as our database does; the
clock of a simulated company is moved by hand, and what is a fact or a rule of the platform follows
it: its day, 24 hours, 90 days, when a reading was made."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from scrm.shared.clock import database_now
from scrm.wecom.client import WecomRefusal, client_for
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import Platform

logger = logging.getLogger(__name__)

BEIJING = ZoneInfo("Asia/Shanghai")


def clock_ahead(connection: WecomConnection) -> timedelta:
    """How much later it is there than here, as far as we know. Nothing for the official platform,
    whatever it tells."""
    return connection.clock_ahead if connection.platform == Platform.SIMULATOR else timedelta(0)


def platform_now(connection: WecomConnection) -> datetime:
    """The time there, by the database's clock. What we last heard is on the row: whoever has just
    called the platform passes the object that the client had."""
    return database_now() + clock_ahead(connection)


def platform_day(instant: datetime) -> date:
    """The day in Beijing, where the platform's days begin."""
    return instant.astimezone(BEIJING).date()


def note_clock(connection_id: int, ahead: timedelta) -> None:
    """Keep what a session of calls heard of a simulated clock."""
    rows = WecomConnection.objects.filter(pk=connection_id, platform=Platform.SIMULATOR)
    rows.exclude(clock_ahead=ahead).update(clock_ahead=ahead)


def learn_clock(connection: WecomConnection) -> timedelta:
    """Ask a simulated platform for its time and keep it; returns how much later it is there.

    Every session of calls learns it by itself; this is for who has just moved it. Raises
    ``WecomRefusal``. Not inside a transaction.
    """
    if connection.platform == Platform.SIMULATOR:
        connection.refresh_from_db(fields=["clock_ahead"])
        with client_for(connection) as client:
            client.callback_ips()
    return clock_ahead(connection)


def learn_clocks() -> None:
    """Of every simulated platform in use: a day that has begun there lets things go on which wait
    for it and would otherwise call nobody."""
    simulated = WecomConnection.objects.in_use().filter(platform=Platform.SIMULATOR)
    for connection in simulated.order_by("pk"):
        try:
            learn_clock(connection)
        except WecomRefusal as refusal:
            logger.info(
                "A simulated platform did not tell its time.",
                extra={"connection_id": connection.pk, "errcode": refusal.code},
            )
