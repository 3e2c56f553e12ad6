"""Communities that get another owner, adviser or backup: our own affair, done at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from communities.models import Community, TransferItem
from communities.models.transfer import TransferItemQuerySet
from communities.rules.transfers import ItemState, Subject
from communities.services.transfers.eligibility import refusals_of
from communities.services.transfers.moving import move_items
from communities.services.transfers.setting_aside import set_aside_receiver
from communities.services.transfers.settling import lock_transfers, settle_transfers
from scrm.accounts.services.audit import record_audit

AT_ONCE = 500
ROLES = ("owner", "adviser", "backup_owner")
MOST_TOLD = 100


def hand_over_communities() -> int:
    """Hand over the communities that are queued, those of one enterprise at a time; how many."""
    queued = _queued()
    first = queued.order_by("pk").values_list("enterprise", flat=True).first()
    if first is None:
        return 0
    return _hand_over(first)


def communities_wait() -> bool:
    return _queued().exists()


def _queued() -> TransferItemQuerySet:
    return TransferItem.objects.filter(
        channel_account=None, subject=Subject.COMMUNITY, state=ItemState.QUEUED
    )


def _hand_over(enterprise_id: int) -> int:
    rows = list(_queued().filter(enterprise=enterprise_id).order_by("pk")[:AT_ONCE])
    refusals = refusals_of(
        enterprise_id,
        {row.receiver_id for row in rows if row.receiver_id is not None},
        subject=Subject.COMMUNITY,
    )
    for receiver_id in sorted(refusals):
        set_aside_receiver(
            enterprise_id, receiver_id, subject=Subject.COMMUNITY, why=refusals[receiver_id]
        )
    _change_hands([row for row in rows if row.receiver_id not in refusals])
    return len(rows)


@transaction.atomic
def _change_hands(rows: Sequence[TransferItem]) -> None:
    communities = Community.objects.filter(
        pk__in={row.community_id for row in rows if row.community_id}
    )
    list(communities.select_for_update(no_key=True).order_by("pk"))
    transfers = lock_transfers({row.transfer_id for row in rows})
    mine = TransferItem.objects.filter(pk__in=[row.pk for row in rows], state=ItemState.QUEUED)
    items = list(mine.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    given: dict[int, list[int | None]] = defaultdict(list)
    for (giver_id, receiver_id), ids in _by_pair(items).items():
        for role in ROLES:
            communities.filter(pk__in=ids, **{role: giver_id}).update(**{role: receiver_id})
    communities.filter(backup_owner=F("owner")).update(backup_owner=None)
    for item in items:
        given[item.transfer_id].append(item.community_id)
    move_items(mine, ItemState.VERIFIED, reason="", due_at=None, verified_at=Now())
    for transfer in transfers:
        if told := given[transfer.pk]:
            record_audit(
                None,
                verb="hand_over_communities",
                subject=transfer,
                after={"count": len(told), "communities": told[:MOST_TOLD]},
            )
    settle_transfers([transfer.pk for transfer in transfers])


def _by_pair(
    items: Sequence[TransferItem],
) -> dict[tuple[int, int | None], list[int]]:
    pairs: dict[tuple[int, int | None], list[int]] = defaultdict(list)
    for item in items:
        assert item.community_id is not None
        pairs[item.giver_id, item.receiver_id].append(item.community_id)
    return pairs
