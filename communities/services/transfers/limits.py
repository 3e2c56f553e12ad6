"""How often the platform still lets a chat or a customer be handed over on the job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from communities.models import TransferItem
from communities.rules.transfers import ItemState, Route, Subject
from scrm.accounts.models import StaffPlatformStatus
from scrm.shared.clock import database_now
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.limits import HAND_OVER_DAYS, HAND_OVERS
from scrm.wecom.services.platform_clock import clock_ahead

#: The platform has counted it, or is about to.
COUNTED = (ItemState.ACCEPTED, ItemState.VERIFIED, ItemState.REFUSED)
#: Not handed over yet.
AHEAD = frozenset({ItemState.PLANNED, ItemState.BLOCKED, ItemState.PENDING, ItemState.QUEUED})


def hand_overs_left(items: Sequence[TransferItem]) -> dict[int, int]:
    """Of these items, those that are still to go on the job, and how often each may: 2 times in 90
    days (WeCom, pages 95703 and 94096). In a constant number of queries."""
    ahead = [each for each in items if each.state in AHEAD and each.route == Route.ON_JOB]
    if not ahead:
        return {}
    accounts = {each.channel_account_id for each in ahead}
    used = hand_overs_of(
        TransferItem.objects.filter(pk__in=[each.pk for each in ahead]),
        WecomConnection.objects.filter(account__in=accounts),
        now=database_now(),
    )
    return {
        each.pk: max(
            0, HAND_OVERS - used[each.channel_account_id, each.chat_id or each.external_userid]
        )
        for each in ahead
    }


def hand_overs_of(
    items: QuerySet[TransferItem], connections: Iterable[WecomConnection], *, now: datetime
) -> Counter[object]:
    """How often the chats and customers of these items were handed over within the platform's 90
    days: by chat, or by channel account and customer."""
    since = {
        connection.account_id: now + clock_ahead(connection) - timedelta(days=HAND_OVER_DAYS)
        for connection in connections
    }
    if not since:
        return Counter()
    counted = TransferItem.objects.filter(state__in=COUNTED, accepted_at__gte=min(since.values()))
    on_job = items.exclude(giver__platform_status=StaffPlatformStatus.LEFT)
    chats = counted.filter(chat__in=on_job.filter(subject=Subject.CHAT).values("chat")).values_list(
        "channel_account_id", "chat_id", "accepted_at"
    )
    customers = counted.filter(
        Exists(
            on_job.filter(
                subject=Subject.CUSTOMER,
                channel_account=OuterRef("channel_account"),
                external_userid=OuterRef("external_userid"),
            )
        ),
        subject=Subject.CUSTOMER,
    ).values_list("channel_account_id", "external_userid", "accepted_at")
    return Counter(
        (account_id, name)
        for account_id, name, accepted_at in (*chats, *customers)
        if accepted_at and account_id in since and accepted_at >= since[account_id]
    )
