"""A chat with people in it gets a community."""

from __future__ import annotations

from django.db import transaction

from communities.models import GroupChat
from members.models import Stay
from members.services.platform.belonging import rewrite_memberships
from members.services.platform.changes import Change
from members.services.platform.recording import WRITTEN, kept_row
from scrm.shared.rows import write_rows


@transaction.atomic
def admit_chat(chat_id: int) -> int:
    """Everybody who is in the chat belongs to the community that it carries now; how many. Nobody
    is greeted: they have been there. Call it with the community and the chat locked; the platform
    bounds how many people a chat holds."""
    chat = GroupChat.objects.get(pk=chat_id)
    stays = Stay.objects.open().filter(chat=chat, membership=None).order_by("pk")
    changes = [Change(stay, kept_row(stay)) for stay in stays]
    rewritten = rewrite_memberships(changes, {chat.pk: chat}, admitted=True)
    write_rows([change.stay for change in changes], WRITTEN)
    rewritten.move_stays()
    rewritten.announce({})
    return len(changes)
