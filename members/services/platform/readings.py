"""What a reading of chats on the platform says about who is in them, written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scrm.wecom.client.results import GroupDetail
from scrm.wecom.models import WecomConnection


@dataclass(frozen=True, slots=True)
class HistoryCounts:
    """What a reading taught us. ``joined``, ``left`` and ``corrected`` are stays that events had
    not told rightly; ``unchanged`` are chats whose members need not be looked at."""

    chats: int = 0
    new_chats: int = 0
    unchanged: int = 0
    joined: int = 0
    left: int = 0
    corrected: int = 0


def record_chat_readings(
    connection: WecomConnection,
    readings: Sequence[GroupDetail],
    *,
    read_at: datetime,
    observed_by: str,
) -> HistoryCounts:
    """Bring chats, stays and memberships up to what was read at ``read_at``."""
    raise NotImplementedError
