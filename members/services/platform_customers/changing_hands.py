"""Customers who went from one colleague to another, or refused to, are read anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from communities.models import TransferItem
from communities.rules.transfers import ItemState, Route
from members.models import Follow
from members.rules.status import FollowEnd
from members.rules.stays import Left
from members.services.platform_customers.spans import Pair, Told, lock_members, record_follows
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.platform_clock import platform_now
from scrm.wecom.services.reading import request_reads


def read_customers_again(item_ids: Collection[int]) -> None:
    """Ask for the customers of these items to be read, in the caller's transaction."""
    by_account: dict[int | None, list[str]] = defaultdict(list)
    items = TransferItem.objects.filter(pk__in=item_ids)
    for account_id, external_userid in items.values_list("channel_account", "external_userid"):
        by_account[account_id].append(external_userid)
    for connection in WecomConnection.objects.filter(account__in=by_account).order_by("pk"):
        request_reads(connection, ReadKind.CUSTOMER, by_account[connection.account_id])


def part_from_leavers(item_ids: Collection[int]) -> int:
    """They are no contacts of those who have left any more, whom the platform does not show again
    and of whom it tells no event; how many, in the caller's transaction. Who refused a colleague
    is lost with the leaver."""
    settled = TransferItem.objects.filter(
        pk__in=item_ids, route=Route.RESIGNED, state__in=[ItemState.VERIFIED, ItemState.REFUSED]
    )
    by_account: dict[int | None, list[TransferItem]] = defaultdict(list)
    for item in settled:
        by_account[item.channel_account_id].append(item)
    connections = WecomConnection.objects.filter(account__in=by_account).order_by("pk")
    return sum(_part(each, by_account[each.account_id]) for each in connections)


def _part(connection: WecomConnection, items: list[TransferItem]) -> int:
    now = platform_now(connection)
    ends = {
        (item.giver_id, item.external_userid): _end_of(item, now)
        for item in items
        if item.external_userid
    }
    follows = Follow.objects.open().filter(
        channel_account=connection.account_id,
        staff__in={giver_id for giver_id, _userid in ends},
        external_userid__in={userid for _giver_id, userid in ends},
    )
    told: dict[Pair, Told] = {}
    for row in follows.order_by("pk"):
        if (end := ends.get((row.staff_id, row.external_userid))) is not None:
            told[row.staff_id, row.member_id] = Told(row.external_userid, facts=[end])
    lock_members(sorted({member_id for _staff_id, member_id in told}))
    counts, _rows = record_follows(connection, told)
    return counts["closed"]


def _end_of(item: TransferItem, now: datetime) -> Left:
    if item.state == ItemState.VERIFIED:
        return Left(item.takeover_at or item.verified_at or now, FollowEnd.TRANSFERRED)
    return Left(now, FollowEnd.BY_CUSTOMER)
