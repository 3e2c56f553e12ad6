"""Group chats as the platform shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from communities.models import GroupChat
from scrm.wecom.client.results import GroupDetail
from scrm.wecom.models import WecomConnection


def follow_chats(
    connection: WecomConnection, readings: Sequence[GroupDetail], *, read_at: datetime
) -> dict[str, GroupChat]:
    """The chats that were read, by platform id, locked and brought up to date; new ones are made
    known."""
    raise NotImplementedError


def note_owner_statuses(connection: WecomConnection, statuses: Mapping[str, int]) -> int:
    """What the platform's list of groups says about their owners: 0 normal, 1 resigned, 2 being
    inherited, 3 inherited. How many chats changed."""
    raise NotImplementedError
