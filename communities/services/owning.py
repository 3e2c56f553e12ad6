"""Ownership periods: whom a chat has belonged to from its first instant on, without a gap.

Only what the platform shows, and a registration or an edit by hand, opens and closes periods. When
several periods could hold an instant, what was read decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from communities.models import GroupChat


def own_new_chats(chats: Sequence[GroupChat]) -> None:
    """The first period of chats that have just been inserted, in the same transaction."""
    raise NotImplementedError


def follow_owners(
    chats: Sequence[GroupChat],
    *,
    read_at: datetime,
    formerly_read: Mapping[int, datetime | None],
) -> None:
    """Bring the periods up to the owners that a reading at ``read_at`` has just written into these
    locked chats. ``formerly_read``: when each was read the last time before."""
    raise NotImplementedError


def name_owner(chat: GroupChat) -> None:
    """The owner of a locked chat has just been written by hand."""
    raise NotImplementedError


def note_owner_changes(changes: Mapping[int, Sequence[datetime]]) -> None:
    """Events told when the owners of these locked chats changed, but not to whom. Boundaries that
    readings have inferred, or will infer, become exact; the order of both does not matter."""
    raise NotImplementedError


def end_ownership(chat: GroupChat, *, at: datetime) -> None:
    """A locked chat ended at ``at``; said again with another instant, that one holds."""
    raise NotImplementedError


def reopen_ownership(chats: Sequence[GroupChat]) -> None:
    """These locked chats had only been out of sight: their last period has not ended."""
    raise NotImplementedError
