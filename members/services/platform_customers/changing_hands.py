"""Customers who went from one colleague to another, or refused to, are read anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from communities.models import TransferItem
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.reading import request_reads


def read_customers_again(item_ids: Collection[int]) -> None:
    """Ask for the customers of these items to be read, in the caller's transaction."""
    by_account: dict[int | None, list[str]] = defaultdict(list)
    items = TransferItem.objects.filter(pk__in=item_ids)
    for account_id, external_userid in items.values_list("channel_account", "external_userid"):
        by_account[account_id].append(external_userid)
    for connection in WecomConnection.objects.filter(account__in=by_account).order_by("pk"):
        request_reads(connection, ReadKind.CUSTOMER, by_account[connection.account_id])
