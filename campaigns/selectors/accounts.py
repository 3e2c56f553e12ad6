"""Which account is the natural one to write to a community from."""

from __future__ import annotations

from django.db.models import Count, Q

from campaigns.channels.registry import unattended_kinds
from communities.models import Community
from communities.rules.status import ChatState
from scrm.wecom.models import ChannelAccount


def account_of(community: Community) -> ChannelAccount | None:
    """Of the accounts that can send by themselves, the one that carries most of the community's
    chats; None where there is none."""
    carrying = Count(
        "group_chats",
        filter=Q(group_chats__community=community) & ~Q(group_chats__state=ChatState.DISSOLVED),
    )
    accounts = ChannelAccount.objects.active().filter(
        enterprise=community.enterprise_id, kind__in=unattended_kinds()
    )
    return accounts.annotate(carrying=carrying).order_by("-carrying", "pk").first()
