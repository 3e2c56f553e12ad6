"""Hand-overs from draft to submission: plan, check, submit, approve, reject, cancel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.errors import ApproverIsAuthor, CaseIsOpen, ChatInTransfer, TransferNotPossible
from communities.handlers import CustomerOfStaff
from communities.models import Community, GroupChat, OwnershipTransfer, ResignationCase
from communities.rules.transfer_status import DERIVED, SUBMITTABLE
from communities.rules.transfer_words import reason_words
from communities.rules.transfers import (
    AT_WORK,
    PLANNABLE,
    ItemState,
    Selection,
    Subject,
    TransferStatus,
)
from communities.services.belonging import refuse_strangers
from communities.services.transfers.drafting import (
    pick_chats,
    pick_communities,
    pick_customers,
    pick_everything,
    refuse_empty,
)
from communities.services.transfers.eligibility import refusals_of
from communities.services.transfers.locking import (
    locked_plan,
    locked_transfer,
    refuse_unless,
    stated,
)
from communities.services.transfers.moving import block_if_all_are_held, hold_items, move_items
from communities.services.transfers.planning import Preflight, preflight
from communities.services.transfers.settling import settle_transfers
from scrm.accounts.models import Staff, User
from scrm.accounts.services.audit import record_audit
from scrm.shared.errors import DomainError
from scrm.wecom.rules.limits import MAX_TRANSFER_MESSAGE

MOST_REASONS = 3
STAFF_IS_BACK = "staff_is_back"


@transaction.atomic
def draft_transfer(
    *,
    actor: User | None,
    chats: Iterable[GroupChat] = (),
    customers_of: Staff | None = None,
    customers: Sequence[CustomerOfStaff] = (),
    communities: Iterable[Community] = (),
    everything_of: Staff | None = None,
    receivers: Sequence[Staff] = (),
    reason: str = "",
    message: str = "",
    case: ResignationCase | None = None,
) -> OwnershipTransfer:
    """Plan a hand-over without beginning it: nothing is held yet.

    ``customers`` are of the colleague ``customers_of``; without any named, all of theirs are meant.
    ``everything_of`` takes all that the actor sees of a colleague. Without an actor a ``case`` says
    whose it is. Raises ``NothingChosen``, ``BelongsElsewhere``.
    """
    home = case.enterprise_id if actor is None and case is not None else _home_of(actor)
    refuse_strangers(home, receivers)
    transfer = OwnershipTransfer.objects.create(
        enterprise_id=home,
        case=case,
        reason=reason.strip()[:300],
        message=message.strip()[:MAX_TRANSFER_MESSAGE],
        created_by=actor,
        planned_by=actor,
    )
    transfer.receivers.set(receivers)
    pick_chats(transfer, chats, actor=actor)
    pick_communities(transfer, communities, actor=actor)
    if customers_of is not None:
        pick_customers(transfer, customers_of, customers, actor=actor)
    if everything_of is not None:
        pick_everything(transfer, everything_of, actor=actor)
    if case is None:
        refuse_empty(transfer)
    preflight(transfer.pk)
    record_audit(
        actor,
        verb="draft_transfer",
        subject=transfer,
        after={"count": transfer.items.count(), "receivers": receivers, "reason": reason},
    )
    transfer.refresh_from_db()
    return transfer


def _home_of(actor: User | None) -> int:
    if actor is None:
        raise ValueError("Without an actor a hand-over belongs to a case.")
    return actor.enterprise_id


@transaction.atomic
def preflight_transfer(transfer_id: int, *, actor: User | None) -> Preflight:
    """Plan again what is not under way, with everybody's loads and rights as they are now."""
    transfer = locked_plan(transfer_id, actor=actor)
    refuse_unless(transfer, PLANNABLE | SUBMITTABLE, _("已提交，不能再预检。"))
    checked = preflight(transfer.pk)
    if transfer.status == TransferStatus.AWAITING_APPROVAL:
        hold_items(transfer.items.filter(state=ItemState.PLANNED), ItemState.PENDING)
        settle_transfers([transfer.pk])
    return checked


def submit_transfer(transfer_id: int, *, actor: User | None) -> OwnershipTransfer:
    """Check everything again and hand it to the workers, or to whoever approves.

    From here on nobody else can hand over the same things. What cannot be handed over stays behind
    as BLOCKED with its reason, also when nothing is left and the submission is refused. A case may
    be submitted again for what was added to it. Raises ``TransferNotPossible``,
    ``ChatInTransfer``, ``TransferNotOpen``.
    """
    with transaction.atomic():
        transfer, refusal = _submit(transfer_id, actor=actor)
    if refusal is not None:
        raise refusal
    return transfer


def _submit(
    transfer_id: int, *, actor: User | None
) -> tuple[OwnershipTransfer, DomainError | None]:
    transfer = locked_plan(transfer_id, actor=actor)
    is_case = transfer.case_id is not None
    refuse_unless(
        transfer, SUBMITTABLE | DERIVED if is_case else SUBMITTABLE, _("已提交过，不用再提交。")
    )
    waiting = transfer.items.filter(state__in=[ItemState.PLANNED, ItemState.BLOCKED])
    if not is_case and block_if_all_are_held(waiting):
        return transfer, why_nothing_goes(transfer)
    preflight(transfer.pk)
    transfer.refresh_from_db(fields=["needs_approval"])
    pending, queued = hold_planned(transfer, actor=actor)
    if not is_case and not pending + queued:
        return transfer, why_nothing_goes(transfer)
    before = transfer.status
    if before not in AT_WORK:
        waits = pending and not queued
        transfer.status = TransferStatus.AWAITING_APPROVAL if waits else TransferStatus.SUBMITTED
    if transfer.submitted_at is None:
        transfer.submitted_at = Now()
    transfer.rejection = ""
    transfer.save(update_fields=["status", "submitted_at", "rejection"])
    record_audit(
        actor,
        verb="submit_transfer",
        subject=transfer,
        before={"status": before},
        after={"status": transfer.status, "count": pending + queued},
    )
    settle_transfers([transfer.pk])
    transfer.refresh_from_db()
    return transfer, None


def hold_planned(transfer: OwnershipTransfer, *, actor: User | None) -> tuple[int, int]:
    """Hold what is planned; how many items wait for approval and how many for a worker.

    What the system adds by its rules to a case that was approved is covered by that approval;
    receivers whom a person chose are not.
    """
    planned = transfer.items.filter(state=ItemState.PLANNED)
    if not transfer.needs_approval:
        return 0, hold_items(planned, ItemState.QUEUED)
    queued = 0
    if actor is None and transfer.approved_at is not None:
        queued = hold_items(planned.exclude(selection=Selection.CHOSEN), ItemState.QUEUED)
    return hold_items(planned, ItemState.PENDING), queued


def why_nothing_goes(transfer: OwnershipTransfer) -> DomainError:
    """Why nothing can be submitted, in words and as counts by reason."""
    blocked = transfer.items.filter(state=ItemState.BLOCKED).values_list("reason", flat=True)
    reasons: dict[str, int] = {}
    for reason in blocked.order_by():
        reasons[reason] = reasons.get(reason, 0) + 1
    if set(reasons) == {"in_transfer"}:
        return ChatInTransfer(
            _("要转的都正在另一次转让中：等那一次结束，或先取消它。"), details={"reasons": reasons}
        )
    common = sorted(reasons, key=lambda code: -reasons[code])[:MOST_REASONS]
    words = " ".join(
        _("%(count)d 项：%(why)s") % {"count": reasons[code], "why": reason_words(code)}
        for code in common
    )
    return TransferNotPossible(
        _("没有一项可以转让。%(words)s") % {"words": words or _("请先选择要转的群、客户或社群。")},
        details={"reasons": reasons},
    )


def approve_transfer(transfer_id: int, *, actor: User) -> OwnershipTransfer:
    """Let go what waits for approval. Never by those who planned it.

    Whoever may not receive any more gets nothing: their items become BLOCKED, also when none is
    left and the approval is refused. Raises ``ApproverIsAuthor``, ``TransferNotPossible``,
    ``TransferNotOpen``.
    """
    with transaction.atomic():
        transfer, refusal = _approve(transfer_id, actor=actor)
    if refusal is not None:
        raise refusal
    return transfer


def _approve(transfer_id: int, *, actor: User) -> tuple[OwnershipTransfer, DomainError | None]:
    transfer = locked_plan(transfer_id, actor=actor)
    pending = transfer.items.filter(state=ItemState.PENDING)
    _refuse_unless_waiting(transfer)
    if actor.pk in {transfer.created_by_id, transfer.planned_by_id}:
        raise ApproverIsAuthor(_("这是您自己拟定或修改的方案，请让另一位有审批权限的同事审批。"))
    _block_ineligible(transfer)
    count = move_items(pending, ItemState.QUEUED, due_at=Now())
    if not count:
        settle_transfers([transfer.pk])
        return transfer, why_nothing_goes(transfer)
    before = transfer.status
    if transfer.status == TransferStatus.AWAITING_APPROVAL:
        transfer.status = TransferStatus.SUBMITTED
    transfer.approved_by = actor
    transfer.approved_at = Now()
    transfer.save(update_fields=["status", "approved_by", "approved_at"])
    record_audit(
        actor,
        verb="approve_transfer",
        subject=transfer,
        before={"status": before},
        after={"status": transfer.status, "count": count},
    )
    settle_transfers([transfer.pk])
    transfer.refresh_from_db()
    return transfer, None


def _refuse_unless_waiting(transfer: OwnershipTransfer) -> None:
    is_waiting = transfer.items.filter(state=ItemState.PENDING).exists()
    refuse_unless(transfer, DERIVED if is_waiting else set(), _("没有待审批的内容。"))


def _block_ineligible(transfer: OwnershipTransfer) -> None:
    for subject in Subject:
        pending = transfer.items.filter(state=ItemState.PENDING, subject=subject)
        named = pending.filter(receiver__isnull=False).order_by()
        people = list(named.values_list("receiver", flat=True).distinct())
        refusals = refusals_of(transfer.enterprise_id, people, subject=subject) if people else {}
        for reason in set(refusals.values()):
            refused = [each for each, code in refusals.items() if code == reason]
            move_items(pending.filter(receiver__in=refused), ItemState.BLOCKED, reason=reason)


@transaction.atomic
def reject_transfer(transfer_id: int, *, reason: str, actor: User) -> OwnershipTransfer:
    """Send a plan back; it can be changed and submitted again. Of a hand-over that is at work
    only what waits for approval is stopped. Raises ``TransferNotOpen``."""
    why = stated(reason, _("请写明为什么不批准。"))
    transfer = locked_transfer(transfer_id, actor=actor)
    _refuse_unless_waiting(transfer)
    before = transfer.status
    pending = transfer.items.filter(state=ItemState.PENDING)
    if before == TransferStatus.AWAITING_APPROVAL:
        count = move_items(pending, ItemState.PLANNED)
        transfer.status = TransferStatus.REJECTED
    else:
        count = move_items(pending, ItemState.BLOCKED, reason="not_approved", note=why)
    transfer.rejection = why
    transfer.save(update_fields=["status", "rejection"])
    record_audit(
        actor,
        verb="reject_transfer",
        subject=transfer,
        before={"status": before},
        after={"status": transfer.status, "reason": why, "count": count},
    )
    settle_transfers([transfer.pk])
    transfer.refresh_from_db()
    return transfer


@transaction.atomic
def cancel_transfer(
    transfer_id: int, *, reason: str = "", actor: User | None, code: str = "withdrawn"
) -> OwnershipTransfer:
    """Stop a hand-over. What the platform may already have done goes on until it is verified, and
    what has failed stays failed; the rest is never sent.

    ``code``: why, for the items. What somebody left behind needs an outcome, so theirs is stopped
    only when they are back. Raises ``TransferNotOpen``, ``CaseIsOpen``.
    """
    transfer = locked_transfer(transfer_id, actor=actor)
    if transfer.case_id is not None and code != STAFF_IS_BACK:
        raise CaseIsOpen(
            _("离职员工名下的都要有去处：请驳回方案、改派接手人，或逐项写明为什么不再转。")
        )
    left = transfer.items.filter(~Q(state=ItemState.FAILED))
    before = transfer.status
    refuse_unless(transfer, SUBMITTABLE | DERIVED, _("已结束，不用再取消。"))
    count = move_items(
        left,
        ItemState.CANCELLED,
        reason=code,
        note=reason.strip()[:300],
        closed_by=actor,
        due_at=None,
    )
    may_come_back = transfer.items.filter(state__in=[ItemState.SENDING, ItemState.UNKNOWN])
    if not count and before not in SUBMITTABLE and not may_come_back.exists():
        refuse_unless(transfer, set(), _("没有还可以取消的内容：已提交给平台的会继续核对。"))
    transfer.status = TransferStatus.CANCELLED
    transfer.save(update_fields=["status"])
    record_audit(
        actor,
        verb="cancel_transfer",
        subject=transfer,
        before={"status": before},
        after={"status": transfer.status, "reason": reason, "count": count},
    )
    settle_transfers([transfer.pk])
    transfer.refresh_from_db()
    return transfer
