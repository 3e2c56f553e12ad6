"""The end of a chat on the platform."""

from __future__ import annotations

from datetime import datetime

from scrm.wecom.models import WecomConnection


def close_vanished_chat(
    connection: WecomConnection, chat_id: str, *, at: datetime, exact: bool
) -> None:
    """The chat is dissolved: at ``at`` if that is exact, else at the latest then."""
    raise NotImplementedError
