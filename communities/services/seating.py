"""Places in chats. Who takes one holds the lock of the community: it is the queue they stand in."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Case, F, IntegerField, Q, Value, When
from django.db.models.functions import Greatest

from communities.models import Community, GroupChat
from communities.rules.status import ChatState
from communities.services.ownership.owning import end_ownerships

#: Instead of the platform's version of the members: the next reading compares them one by one.
CHANGED_BY_US = ""


def take_seat(community: Community, *, prefer: Sequence[int] = ()) -> GroupChat | None:
    """Count one person more into a chat with room; None when no chat has any.

    The preferred chats are tried first, in the order given; then the emptiest. Call it with the
    community locked. The count moves only while there is room, whatever else changes the chat
    meanwhile, and a chat that became full says so.
    """
    chats = community.group_chats.with_room().order_by(_place_among(prefer), "member_count", "pk")
    for chat in chats:
        seated = (
            GroupChat.objects.with_room()
            .filter(pk=chat.pk, community=community)
            .update(
                member_count=F("member_count") + 1,
                member_version=CHANGED_BY_US,
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


def _place_among(prefer: Sequence[int]) -> Case | Value:
    if not prefer:
        return Value(0)
    places = [When(pk=pk, then=Value(place)) for place, pk in enumerate(prefer)]
    return Case(*places, default=Value(len(prefer)), output_field=IntegerField())


def count_in(chat_id: int) -> None:
    """Count one person more whom the platform let in, room or not: a chat that holds somebody
    had a place for them."""
    GroupChat.objects.filter(pk=chat_id).update(
        member_count=F("member_count") + 1,
        member_version=CHANGED_BY_US,
        capacity=Greatest(F("capacity"), F("member_count") + 1),
        state=Case(
            When(
                state=ChatState.ACTIVE,
                member_count__gte=F("capacity") - 1,
                then=Value(ChatState.FULL),
            ),
            default=F("state"),
        ),
    )


def release_seat(chat_id: int) -> None:
    """Count one person out of a chat; a full chat has room again."""
    GroupChat.objects.filter(pk=chat_id, member_count__gt=0).update(
        member_count=F("member_count") - 1,
        member_version=CHANGED_BY_US,
        state=Case(When(Q(state=ChatState.FULL), then=Value(ChatState.ACTIVE)), default=F("state")),
    )


def release_all_seats(community_id: int) -> None:
    """Nobody is left in the chats of a dissolved community, and nobody enters them again."""
    chats = GroupChat.objects.live().filter(community=community_id)
    ended = list(chats.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    GroupChat.objects.filter(pk__in=ended).update(
        member_count=0, member_version=CHANGED_BY_US, state=ChatState.DISSOLVED
    )
    end_ownerships(ended)
