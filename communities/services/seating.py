"""Places in chats. Who takes one holds the lock of the community: it is the queue they stand in."""

from __future__ import annotations

from django.db.models import Case, F, Q, Value, When

from communities.models import Community, GroupChat
from communities.rules.status import ChatState


def take_seat(community: Community) -> GroupChat | None:
    """Count one person more into the emptiest chat with room; None when no chat has any.

    Call it with the community locked. The count moves only while there is room, whatever else
    changes the chat meanwhile, and a chat that became full says so.
    """
    for chat in community.group_chats.with_room().order_by("member_count", "pk"):
        seated = (
            GroupChat.objects.with_room()
            .filter(pk=chat.pk, community=community)
            .update(
                member_count=F("member_count") + 1,
                state=Case(
                    When(member_count__gte=F("capacity") - 1, then=Value(ChatState.FULL)),
                    default=F("state"),
                ),
            )
        )
        if seated == 1:
            chat.refresh_from_db()
            return chat
    return None


def release_seat(chat_id: int) -> None:
    """Count one person out of a chat; a full chat has room again."""
    GroupChat.objects.filter(pk=chat_id, member_count__gt=0).update(
        member_count=F("member_count") - 1,
        state=Case(When(Q(state=ChatState.FULL), then=Value(ChatState.ACTIVE)), default=F("state")),
    )


def release_all_seats(community_id: int) -> None:
    """Nobody is left in the chats of a dissolved community, and nobody enters them again."""
    GroupChat.objects.live().filter(community=community_id).update(
        member_count=0, state=ChatState.DISSOLVED
    )
