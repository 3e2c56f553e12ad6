"""Callbacks about customer groups: the facts they carry, and what they ask to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.events import Event

CHAT_EVENT = "change_external_chat"
CHAT_CHANGES = ("create", "update", "dismiss")


def take_chat_events(
    connection: WecomConnection, events: Sequence[Event]
) -> Mapping[int, str] | None:
    """Write down who joined and left, and have the chats read again."""
    raise NotImplementedError
