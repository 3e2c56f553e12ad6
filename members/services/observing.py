"""Taking note of what happened on the platform."""

from __future__ import annotations

from datetime import datetime

from communities.models import GroupChat
from members.models import Member, Membership
from scrm.accounts.models import User


def observe_join(
    member: Member,
    *,
    chat: GroupChat,
    observed_by: str,
    actor: User | None = None,
    joined_at: datetime | None = None,
) -> Membership:
    """Somebody was seen in a chat: open the membership and the stay, truthfully."""
    raise NotImplementedError
