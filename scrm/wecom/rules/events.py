"""A callback of the platform, decrypted and read; what it says is a hint, not the present state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Event:
    """``row_id`` is its row in the inbox. ``fields`` are the document's plain elements by name;
    ``members`` are the ids of MemChangeList, which older payloads lack."""

    row_id: int
    event: str
    change_type: str
    occurred_at: datetime | None
    received_at: datetime
    fields: Mapping[str, str] = field(default_factory=dict)
    members: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> str:
        """An element's text; empty where the document has none."""
        return self.fields.get(name, "")
