"""Queued items that turn out to be impossible just before they are sent."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping

from django.db import transaction

from communities.models import TransferItem
from communities.rules.transfers import ItemState, Selection
from communities.services.moving_items import move_items
from communities.services.settling_transfers import lock_transfers, settle_transfers
from communities.services.transfer_items import retry_items
from scrm.accounts.services.users import lock_accounts_of
from scrm.shared.errors import DomainError

logger = logging.getLogger(__name__)

GONE = frozenset({"chat_is_gone"})
RECEIVER = "receiver_"


@transaction.atomic
def set_aside(enterprise_id: int, reasons: Mapping[int, str]) -> None:
    """Block these queued items, or end those of chats that are no more. For items of a case whose
    receiver was found by policy another one is looked for at once."""
    lock_accounts_of(enterprise_id)
    named = TransferItem.objects.filter(pk__in=reasons, state=ItemState.QUEUED)
    transfers = lock_transfers(named.values_list("transfer", flat=True))
    by_reason: dict[str, list[int]] = defaultdict(list)
    for id_, reason in reasons.items():
        by_reason[reason].append(id_)
    for reason, ids in by_reason.items():
        target = ItemState.GONE if reason in GONE else ItemState.BLOCKED
        items = named.filter(pk__in=ids)
        move_items(items, target, reason=reason, due_at=None)
    settle_transfers([transfer.pk for transfer in transfers])
    for transfer in transfers:
        if transfer.case_id is not None:
            _find_others(transfer.pk, reasons)


def _find_others(transfer_id: int, reasons: Mapping[int, str]) -> None:
    blocked = TransferItem.objects.filter(
        transfer=transfer_id,
        pk__in=[id_ for id_, reason in reasons.items() if reason.startswith(RECEIVER)],
        state=ItemState.BLOCKED,
    )
    ids = list(blocked.exclude(selection=Selection.CHOSEN).values_list("pk", flat=True))
    if not ids:
        return
    try:
        retry_items(transfer_id, actor=None, item_ids=ids)
    except DomainError as refusal:
        logger.info(
            "Nobody else can receive it.",
            extra={"transfer_id": transfer_id, "reason": refusal.code},
        )
