"""Queued items that turn out to be impossible just before they are sent."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping

from django.db import transaction

from communities.models import TransferItem
from communities.models.transfer import TransferItemQuerySet
from communities.rules.transfers import ItemState, Selection
from communities.services.transfers.items import retry_items
from communities.services.transfers.locking import lock_plans_of
from communities.services.transfers.moving import move_items
from communities.services.transfers.settling import lock_transfers, settle_transfers
from scrm.shared.errors import DomainError

logger = logging.getLogger(__name__)

GONE = frozenset({"chat_is_gone"})


@transaction.atomic
def set_aside_things(reasons: Mapping[int, str]) -> None:
    """Block these queued items, or end those of chats that are no more."""
    queued = TransferItem.objects.filter(pk__in=reasons, state=ItemState.QUEUED)
    transfers = lock_transfers(_transfers_of(queued))
    by_reason: dict[str, list[int]] = defaultdict(list)
    for id_, reason in reasons.items():
        by_reason[reason].append(id_)
    for reason, ids in by_reason.items():
        target = ItemState.GONE if reason in GONE else ItemState.BLOCKED
        move_items(queued.filter(pk__in=ids), target, reason=reason, due_at=None)
    settle_transfers([transfer.pk for transfer in transfers])


@transaction.atomic
def set_aside_receiver(enterprise_id: int, receiver_id: int, *, subject: str, why: str) -> None:
    """Block everything of this subject that is queued for a colleague who may not receive it any
    more. For items of a case whose receiver was found by policy another one is looked for at
    once."""
    lock_plans_of(enterprise_id)
    queued = TransferItem.objects.filter(
        enterprise=enterprise_id, receiver=receiver_id, subject=subject, state=ItemState.QUEUED
    )
    transfers = lock_transfers(_transfers_of(queued))
    move_items(queued, ItemState.BLOCKED, reason=why, due_at=None)
    settle_transfers([transfer.pk for transfer in transfers])
    blocked = TransferItem.objects.filter(
        receiver=receiver_id, subject=subject, state=ItemState.BLOCKED, reason=why
    ).exclude(selection=Selection.CHOSEN)
    for transfer in transfers:
        if transfer.case_id is not None:
            ids = list(blocked.filter(transfer=transfer).values_list("pk", flat=True))
            _find_others(transfer.pk, ids)


def _transfers_of(items: TransferItemQuerySet) -> list[int]:
    return list(items.order_by().values_list("transfer", flat=True).distinct())


def _find_others(transfer_id: int, item_ids: list[int]) -> None:
    if not item_ids:
        return
    try:
        retry_items(transfer_id, actor=None, item_ids=item_ids)
    except DomainError as refusal:
        logger.info(
            "Nobody else can receive it.",
            extra={"transfer_id": transfer_id, "reason": refusal.code},
        )
