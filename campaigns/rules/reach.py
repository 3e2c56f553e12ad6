"""Which chats a broadcast may go to, by the kind of its channel."""

from __future__ import annotations

REHEARSAL = "sandbox"  # the kind of account whose messages reach nobody


def reaches_every_chat(kind: str) -> bool:
    """Whether a channel of this kind takes messages for chats that other accounts carry, too."""
    return kind == REHEARSAL
