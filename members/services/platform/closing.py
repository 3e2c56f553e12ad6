"""The end of a chat on the platform."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from communities.models import GroupChat
from communities.services.following import dissolve_followed_chat, locked_chats
from members.models import Stay
from members.rules.status import LeaveReason, ObservedBy
from members.services.platform.recording import Pair, Telling, Told, record
from scrm.wecom.models import WecomConnection


@transaction.atomic
def close_vanished_chat(
    connection: WecomConnection, chat_id: str, *, at: datetime, exact: bool
) -> None:
    """The chat is dissolved: at ``at`` if that is exact, else at the latest then. What was inferred
    gives way to what is exact, in whichever order they come."""
    end_chats(connection, locked_chats(connection, [chat_id]), {chat_id: at}, exact=exact)


def end_chats(
    connection: WecomConnection,
    chats: Sequence[GroupChat],
    ends: dict[str, datetime],
    *,
    exact: bool,
) -> None:
    """The same for several chats that are locked already."""
    ended = {
        chat.pk: chat
        for chat in chats
        if chat.external_id in ends
        and dissolve_followed_chat(chat, at=ends[chat.external_id], exact=exact)
    }
    if not ended:
        return
    telling = Telling(
        enterprise_id=connection.enterprise_id,
        chats=ended,
        observed_by=ObservedBy.EVENT if exact else ObservedBy.SYNC,
        read_at={chat.pk: chat.read_at for chat in chats},
        news_since={},
    )
    stays = Stay.objects.filter(
        Q(left_at=None) | Q(leave_reason=LeaveReason.DISSOLVED), chat__in=ended
    )
    told: dict[Pair, Told] = {pair: Told() for pair in stays.values_list("chat", "member")}
    record(told, telling)
