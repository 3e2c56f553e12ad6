"""Uploaded files, valid for three days."""

from __future__ import annotations

from dataclasses import dataclass, field

from scrm.wecom.simulator.clock import DAY
from scrm.wecom.simulator.hand_over import HandOver
from scrm.wecom.simulator.state import TRANSIENT

SMALLEST = 6
MEGABYTE = 1_048_576
LIMITS = {
    "image": 10 * MEGABYTE,
    "voice": 2 * MEGABYTE,
    "video": 10 * MEGABYTE,
    "file": 20 * MEGABYTE,
}


@dataclass(slots=True)
class Media:
    media_id: str
    type: str
    name: str
    size: int
    created_at: int


@dataclass(kw_only=True)
class Medias(HandOver):
    """The bytes themselves are not written down: after a restart only the ids are known."""

    media: dict[str, Media] = field(default_factory=dict)
    media_bytes: dict[str, bytes] = field(default_factory=dict, metadata=TRANSIENT)

    def keep_media(self, type: str, name: str, content: bytes) -> Media:
        fresh = Media(self.new_id("1G"), type, name, len(content), self.clock.second())
        self.media[fresh.media_id] = fresh
        self.media_bytes[fresh.media_id] = content
        return fresh

    def good_media(self, media_id: str, *types: str) -> Media | None:
        """Unless it is unknown, of another kind, or older than three days."""
        found = self.media.get(media_id)
        if found is None or (types and found.type not in types):
            return None
        age = self.clock.time() - found.created_at
        return found if age < self.settings.media_days * DAY else None


def media_fault(type: str, content: bytes) -> int:
    """Why a file is not taken, 0 if it is."""
    if type not in LIMITS:
        return 40004
    if not content:
        return 44001
    if len(content) < SMALLEST:
        return 40006
    if len(content) > LIMITS[type]:
        return 45001
    looks_right = {
        "image": content.startswith((b"\xff\xd8\xff", b"\x89PNG")),
        "voice": content.startswith(b"#!AMR"),
        "video": b"ftyp" in content[:16],
        "file": True,
    }
    return 0 if looks_right[type] else 40005
