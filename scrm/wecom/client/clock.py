"""What time it is on a simulated platform, as its answers tell. WeCom's own time is the world's,
and what it tells is not looked at here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import Platform

WHOLE_SECOND = timedelta(seconds=1)  # an answer tells no finer
#: By so much a clock has to differ from what is on file before that is written anew.
NOTED_FROM = timedelta(seconds=2)


def told_time(header: str) -> datetime | None:
    """The time of a ``Date`` header; ``None`` where it tells none."""
    try:
        told = parsedate_to_datetime(header)
    except ValueError:
        return None
    return told if told.tzinfo is not None else None


class HeardClock:
    """Keeps ``connection.clock_ahead`` true for one session of calls.

    An answer says between which two values it lies. While what we think lies there too it stays;
    otherwise the smaller one is taken: who reads must not think that it was later than it was.
    """

    def __init__(self, connection: WecomConnection) -> None:
        self._connection = connection
        self._is_followed = connection.platform == Platform.SIMULATOR
        self._on_file = connection.clock_ahead if self._is_followed else timedelta(0)

    def hear(self, header: str, *, seconds: float) -> None:
        """Of a good answer to a call that took ``seconds``."""
        if not self._is_followed or (told := told_time(header)) is None:
            return
        now = datetime.now(UTC)
        least, most = told - now, told + WHOLE_SECOND - now + timedelta(seconds=seconds)
        if least <= self._connection.clock_ahead <= most:
            return
        self._connection.clock_ahead = timedelta(0) if least <= timedelta(0) <= most else least

    def news(self) -> timedelta | None:
        """What is to be written down since the last time, if anything is."""
        if not self._is_followed:
            return None
        ahead = self._connection.clock_ahead
        if abs(ahead - self._on_file) <= NOTED_FROM:
            return None
        self._on_file = ahead
        return ahead
