"""What a person does about single items of a hand-over: choose somebody else, retry, give up.

Without ``item_ids`` all of them are meant. Items that a worker has in its hands, or that the
platform has accepted, are left alone; a verb refuses when it finds none that it may touch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from communities.errors import NothingToChange, ReceiverNotEligible
from communities.models import OwnershipTransfer, TransferItem
from communities.models.transfer import TransferItemQuerySet
from communities.rules.transfer_status import DERIVED, MENDABLE, OPEN_ITEMS, SUBMITTABLE
from communities.rules.transfer_words import reason_words
from communities.rules.transfers import ItemState, Selection
from communities.services.belonging import refuse_strangers
from communities.services.transfers.eligibility import refusals_of
from communities.services.transfers.locking import (
    locked_plan,
    locked_transfer,
    refuse_unless,
    stated,
)
from communities.services.transfers.moving import hold_items, move_items
from communities.services.transfers.planning import preflight
from communities.services.transfers.settling import settle_transfers
from communities.services.transfers.submitting import hold_planned, why_nothing_goes
from scrm.accounts.models import Staff, User
from scrm.accounts.services.audit import record_audit
from scrm.shared.errors import DomainError

EMPTY: Mapping[int, int | None] = MappingProxyType({})
MOST_TOLD = 100


@transaction.atomic
def assign_receiver(
    transfer_id: int, *, receiver: Staff, actor: User, item_ids: Sequence[int] | None = None
) -> OwnershipTransfer:
    """Choose who gets these items. In a hand-over that is at work they wait for approval again.

    Raises ``ReceiverNotEligible``, ``BelongsElsewhere``, ``NothingToChange``, ``TransferNotOpen``.
    """
    transfer = locked_plan(transfer_id, actor=actor)
    refuse_unless(transfer, SUBMITTABLE | DERIVED, _("不能再改接手人。"))
    refuse_strangers(transfer.enterprise_id, [receiver])
    changed = _named(transfer, item_ids).filter(state__in=OPEN_ITEMS).exclude(giver=receiver)
    _refuse_ineligible(receiver, changed)
    count = _choose(changed, receiver)
    if not count:
        raise NothingToChange(
            _("所选的没有一项可以改接手人：已提交给平台、已结束，或接手人就是转出人自己。")
        )
    _plan_again(transfer, actor=actor)
    record_audit(
        actor,
        verb="assign_receiver",
        subject=transfer,
        after={"receiver": receiver, "count": count, "items": _told(item_ids)},
    )
    return _settled(transfer)


def _refuse_ineligible(receiver: Staff, changed: TransferItemQuerySet) -> None:
    for subject in changed.order_by().values_list("subject", flat=True).distinct():
        refusals = refusals_of(receiver.enterprise_id, [receiver.pk], subject=subject)
        if receiver.pk in refusals:
            code = refusals[receiver.pk]
            raise ReceiverNotEligible(
                _("“%(receiver)s”不能接手：%(why)s")
                % {"receiver": receiver, "why": reason_words(code)},
                details={"reason": code},
            )


def _choose(changed: TransferItemQuerySet, receiver: Staff) -> int:
    """What was queued or has failed is planned anew; what waits for approval goes on waiting."""
    chosen: dict[str, Any] = {
        "receiver": receiver,
        "selection": Selection.CHOSEN,
        "policy": None,
    }
    ids = list(changed.values_list("pk", flat=True))
    items = TransferItem.objects.filter(pk__in=ids)
    planned = [ItemState.PLANNED, ItemState.BLOCKED, ItemState.PENDING]
    count = items.filter(state__in=planned).update(**chosen)
    return count + move_items(
        items.filter(state__in=[ItemState.QUEUED, ItemState.FAILED]),
        ItemState.BLOCKED,
        reason="",
        due_at=None,
        **chosen,
    )


def retry_items(
    transfer_id: int, *, actor: User | None, item_ids: Sequence[int] | None = None
) -> OwnershipTransfer:
    """Plan again what failed or was blocked, and queue it. Whoever gets something else than was
    approved waits for approval. What is blocked for the same reason as before keeps it.

    Raises ``NothingToChange``, ``TransferNotPossible``, ``ChatInTransfer``, ``TransferNotOpen``.
    """
    with transaction.atomic():
        transfer, refusal = _retry(transfer_id, actor=actor, item_ids=item_ids)
    if refusal is not None:
        raise refusal
    return transfer


def _retry(
    transfer_id: int, *, actor: User | None, item_ids: Sequence[int] | None
) -> tuple[OwnershipTransfer, DomainError | None]:
    transfer = locked_plan(transfer_id, actor=actor)
    refuse_unless(transfer, DERIVED, _("不能重试；草稿请先提交。"))
    chosen = _named(transfer, item_ids).filter(state__in=[*MENDABLE, ItemState.PLANNED])
    named = dict(chosen.values_list("pk", "state"))
    failed = {pk for pk, state in named.items() if state == ItemState.FAILED}
    before = dict(transfer.items.filter(pk__in=failed).values_list("pk", "receiver"))
    if not named:
        raise NothingToChange(_("所选的没有一项可以重试：只有失败或不能转的才可以。"))
    held = _plan_again(transfer, actor=actor, retried=before)
    record_audit(
        actor,
        verb="retry_items",
        subject=transfer,
        after={"count": held, "items": _told(item_ids)},
    )
    settled = _settled(transfer)
    return settled, None if held else why_nothing_goes(transfer)


@transaction.atomic
def waive_items(
    transfer_id: int,
    *,
    reason: str,
    actor: User | None,
    item_ids: Sequence[int] | None = None,
) -> OwnershipTransfer:
    """Decide that these are not handed over, and say why. What the platform may already have done
    cannot be given up. Raises ``NothingToChange``, ``TransferReasonMissing``, ``TransferNotOpen``.
    """
    why = stated(reason, _("请写明为什么不再转。"))
    transfer = locked_transfer(transfer_id, actor=actor)
    refuse_unless(transfer, SUBMITTABLE | DERIVED, _("不用再处理。"))
    count = move_items(
        _named(transfer, item_ids),
        ItemState.WAIVED,
        reason="waived",
        note=why,
        closed_by=actor,
        due_at=None,
    )
    if not count:
        raise NothingToChange(_("所选的没有一项可以放弃：正在提交、已受理或已结束的不能放弃。"))
    record_audit(
        actor,
        verb="waive_items",
        subject=transfer,
        after={"reason": why, "count": count, "items": _told(item_ids)},
    )
    return _settled(transfer)


def _named(transfer: OwnershipTransfer, item_ids: Sequence[int] | None) -> TransferItemQuerySet:
    items = TransferItem.objects.filter(transfer=transfer)
    return items if item_ids is None else items.filter(pk__in=set(item_ids))


def _told(item_ids: Sequence[int] | None) -> Sequence[int] | int | str:
    """For the record: a few by number, many as a count."""
    if item_ids is None:
        return "all"
    return sorted(item_ids) if len(item_ids) <= MOST_TOLD else len(item_ids)


def _plan_again(
    transfer: OwnershipTransfer,
    *,
    actor: User | None,
    retried: Mapping[int, int | None] = EMPTY,
) -> int:
    """Plan what may be planned, and hold it if the hand-over was submitted; how many items.

    ``retried``: failed items and who was to receive them; whoever gets them instead was not
    approved.
    """
    if actor is not None:
        transfer.planned_by = actor
        transfer.save(update_fields=["planned_by"])
    preflight(transfer.pk, retried=list(retried))
    if transfer.status not in DERIVED:
        return 0
    transfer.refresh_from_db(fields=["needs_approval"])
    ready = TransferItem.objects.filter(pk__in=retried, state=ItemState.FAILED, reason="")
    now = dict(ready.values_list("pk", "receiver"))
    same = [pk for pk, receiver in now.items() if retried[pk] == receiver]
    held = hold_items(ready.filter(pk__in=same), ItemState.QUEUED)
    target = ItemState.PENDING if transfer.needs_approval else ItemState.QUEUED
    held += hold_items(ready.exclude(pk__in=same), target)
    return held + sum(hold_planned(transfer, actor=actor))


def _settled(transfer: OwnershipTransfer) -> OwnershipTransfer:
    settle_transfers([transfer.pk])
    transfer.refresh_from_db()
    return transfer
