"""What follows once items have moved: the status, people's tasks, cases and notices."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from communities.models import OwnershipTransfer, TransferItem
from communities.rules.transfer_status import DERIVED, MENDABLE, is_closed, status_of
from communities.rules.transfer_words import reason_words
from communities.rules.transfers import AT_WORK, ItemState, TransferStatus
from communities.services.resignation.closing import close_finished_cases
from communities.services.transfers.moving import move_items
from communities.services.transfers.notices import plan_notices
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.operator_tasks import open_task, settle_tasks
from scrm.shared.clock import database_now
from scrm.shared.rows import write_rows

MOST_REASONS = 3


@dataclass
class Tally:
    """The items of one hand-over by state, and why those in trouble are."""

    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def lock_transfers(transfer_ids: Iterable[int]) -> list[OwnershipTransfer]:
    """Hold these hand-overs until the end of the transaction. Whoever changes items of them locks
    them first, so that nobody waits in a circle."""
    rows = OwnershipTransfer.objects.filter(pk__in=set(transfer_ids))
    return list(rows.select_for_update(no_key=True, of=("self",)).order_by("pk"))


@transaction.atomic
def settle_transfers(transfer_ids: Iterable[int]) -> None:
    """Bring status, tasks, cases and notices up to what the items of these hand-overs say.

    Whoever moved items calls this in the same transaction, after ``lock_transfers``.
    """
    transfers = lock_transfers(transfer_ids)
    if not transfers:
        return
    _stop_what_was_cancelled(transfers)
    tallies = _tallies(transfers)
    _write_statuses(transfers, tallies)
    _keep_tasks(transfers, tallies)
    verified = [each.pk for each in transfers if tallies[each.pk].states[ItemState.VERIFIED]]
    if verified:
        plan_notices(verified)
    cases = {each.case_id for each in transfers if each.case_id is not None}
    if cases:
        close_finished_cases(cases)


def _stop_what_was_cancelled(transfers: list[OwnershipTransfer]) -> None:
    """What was being sent at the time and came back undone is not sent again."""
    ids = [each.pk for each in transfers if each.status == TransferStatus.CANCELLED]
    if ids:
        left = TransferItem.objects.filter(transfer__in=ids, state=ItemState.QUEUED)
        move_items(left, ItemState.CANCELLED, reason="withdrawn", due_at=None)


def _tallies(transfers: list[OwnershipTransfer]) -> dict[int, Tally]:
    tallies: dict[int, Tally] = defaultdict(Tally)
    counted = (
        TransferItem.objects.filter(transfer__in=[each.pk for each in transfers])
        .values_list("transfer", "state", "reason")
        .annotate(count=Count("*"))
        .order_by()
    )
    for transfer_id, state, reason, count in counted:
        tallies[transfer_id].states[state] += count
        if state in MENDABLE and reason:
            tallies[transfer_id].reasons[reason] += count
    return tallies


def _write_statuses(transfers: list[OwnershipTransfer], tallies: Mapping[int, Tally]) -> None:
    now = database_now()
    changed = []
    for transfer in transfers:
        before = (transfer.status, transfer.closed_at)
        states = tallies[transfer.pk].states
        if transfer.status in DERIVED:
            is_at_work = transfer.status != TransferStatus.AWAITING_APPROVAL
            transfer.status = status_of(states, is_at_work=is_at_work)
        if transfer.status in {*AT_WORK, TransferStatus.CANCELLED}:
            transfer.closed_at = (transfer.closed_at or now) if is_closed(states) else None
        else:
            transfer.closed_at = None
        if (transfer.status, transfer.closed_at) != before:
            changed.append(transfer)
    write_rows(changed, ["status", "closed_at"])


def _keep_tasks(transfers: list[OwnershipTransfer], tallies: Mapping[int, Tally]) -> None:
    """Ask for approval while something waits for it, and for help while something is stuck."""
    asked: dict[TaskKind, list[OwnershipTransfer]] = defaultdict(list)
    for transfer in transfers:
        states = tallies[transfer.pk].states
        if transfer.status in DERIVED:
            if states[ItemState.PENDING]:
                asked[TaskKind.TRANSFER_APPROVAL].append(transfer)
            if any(states[state] for state in MENDABLE):
                asked[TaskKind.TRANSFER_TROUBLE].append(transfer)
    ids = [each.pk for each in transfers]
    for kind in (TaskKind.TRANSFER_APPROVAL, TaskKind.TRANSFER_TROUBLE):
        wanted = asked[kind]
        over = Q(pk__in=ids) & ~Q(pk__in=[each.pk for each in wanted])
        if len(wanted) < len(transfers):
            settle_tasks(kind, subjects=OwnershipTransfer.objects.filter(over))
        for transfer in wanted:
            _ask(kind, transfer, tallies[transfer.pk])


def _ask(kind: TaskKind, transfer: OwnershipTransfer, tally: Tally) -> None:
    pending = tally.states[ItemState.PENDING]
    stuck = sum(tally.states[state] for state in MENDABLE)
    if kind == TaskKind.TRANSFER_APPROVAL:
        title = _("%(transfer)s：%(count)d 项待审批") % {"transfer": transfer, "count": pending}
        details: dict[str, object] = {"count": pending}
    else:
        title = _("%(transfer)s：%(count)d 项转不了，要处理") % {
            "transfer": transfer,
            "count": stuck,
        }
        common = [reason_words(code) for code, _n in tally.reasons.most_common(MOST_REASONS)]
        details = {"count": stuck, "words": " ".join(common)}
    known = OperatorTask.objects.open().filter(
        kind=kind, object_type=transfer._meta.label_lower, object_id=transfer.pk
    )
    if not known.filter(title=title[:200], details=details).exists():
        open_task(kind, subject=transfer, title=title, details=details)
