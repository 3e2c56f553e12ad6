"""Somebody leaves: a case is opened for what they owned, planned and approved.

It is listed and pushed on by ``sweeps``, and closed by ``closing``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Count
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.errors import (
    CaseIsClosed,
    CaseIsNotPlanned,
    CaseIsOpen,
    MayNotDeactivate,
    TransferNotOpen,
)
from communities.models import OwnershipTransfer, ResignationCase, TransferItem
from communities.rules.resignation import days_needed, deadline_of
from communities.rules.transfers import (
    EXPLAINED,
    OPEN_CASES,
    CaseCause,
    CaseStatus,
    ItemState,
    Subject,
)
from communities.services.resignation.closing import end_case
from communities.services.transfers.quotas import UNUSED, quotas_left
from communities.services.transfers.submitting import (
    STAFF_IS_BACK,
    approve_transfer,
    cancel_transfer,
    reject_transfer,
)
from communities.signals import cases_due
from scrm.accounts.models import Staff, User
from scrm.accounts.rules.roles import Capability
from scrm.accounts.services.audit import record_audit
from scrm.accounts.services.staff import deactivate_staff
from scrm.accounts.services.users import lock_accounts_of

#: Chats in these states still need a share of the platform's day.
UNSENT = (ItemState.PLANNED, ItemState.PENDING, ItemState.QUEUED)


@dataclass(frozen=True, slots=True)
class CaseProgress:
    """``counts``: of each subject (a value of ``Subject``), how many items are in each state.

    ``quota_days`` is on how many days of the platform chats must still be sent, at least, with
    what its quota of today leaves. ``deadline`` is the end of the platform's year.
    """

    counts: dict[str, dict[str, int]]
    total: int
    explained: int
    open: int
    quota_days: int
    deadline: datetime


def may_open_case(user: User, staff: Staff) -> bool:
    """Whoever is still active loses their login by it: that is for those who manage accounts."""
    needed = Capability.MANAGE_ACCOUNTS if staff.is_active else Capability.TRANSFER_OWNERSHIP
    return user.can(needed)


@transaction.atomic
def open_case(staff_id: int, *, actor: User) -> ResignationCase:
    """Open the case of somebody who leaves or has left; whoever is still active loses their access
    in the same transaction. Raises ``CaseIsOpen``, ``MayNotDeactivate``."""
    colleagues = Staff.objects.visible_to(actor)
    lock_accounts_of(colleagues.values_list("enterprise_id", flat=True).get(pk=staff_id))
    staff = colleagues.select_for_update(no_key=True).get(pk=staff_id)
    if _open_case_of(staff_id) is not None:
        raise CaseIsOpen(
            _("“%(staff)s”的离职交接已在进行，请在原来的交接里处理。") % {"staff": staff}
        )
    if not may_open_case(actor, staff):
        raise MayNotDeactivate(
            _("“%(staff)s”还在职，停用员工需要“管理账号与密钥”的权限：请管理员办理离职交接。")
            % {"staff": staff}
        )
    if staff.is_active:
        deactivate_staff(staff_id, actor=actor)  # which begins the case
    else:
        begin_case(staff, cause=CaseCause.OPERATOR, opened_by=actor)
    return ResignationCase.objects.open().get(staff=staff_id)


@transaction.atomic
def begin_case(staff: Staff, *, cause: CaseCause, opened_by: User | None) -> ResignationCase | None:
    """The case of somebody inactive, in the caller's transaction; None if there is an open one."""
    try:
        with transaction.atomic():
            case = ResignationCase.objects.create(
                enterprise_id=staff.enterprise_id, staff=staff, cause=cause, opened_by=opened_by
            )
    except IntegrityError:
        if _open_case_of(staff.pk) is None:
            raise
        return None
    record_audit(opened_by, verb="open_case", subject=case, after={"staff": staff, "cause": cause})
    cases_due.send(sender=ResignationCase)
    return case


def _open_case_of(staff_id: int) -> ResignationCase | None:
    return ResignationCase.objects.open().filter(staff=staff_id).first()


@transaction.atomic
def cancel_case_of(staff_id: int, *, actor: User | None) -> ResignationCase | None:
    """Somebody is back: what was not sent stays theirs, what the platform may already have done
    goes on until it is verified. None if they had no open case. Call it with the enterprise
    locked."""
    case = _open_case_of(staff_id)
    if case is None:
        return None
    transfer = OwnershipTransfer.objects.filter(case=case).first()
    if transfer is not None:
        _call_off(transfer, actor=actor)
    locked = ResignationCase.objects.open().select_for_update(no_key=True).filter(pk=case.pk)
    for case in locked:
        before = {"status": case.status}
        end_case(case, CaseStatus.CANCELLED)
        after = {"status": case.status, "reason": STAFF_IS_BACK}
        record_audit(actor, verb="cancel_case", subject=case, before=before, after=after)
    return case


def _call_off(transfer: OwnershipTransfer, *, actor: User | None) -> None:
    """Unless all of it is over or with the platform already."""
    try:
        with transaction.atomic():
            cancel_transfer(transfer.pk, reason=_("员工已回来。"), actor=actor, code=STAFF_IS_BACK)
    except TransferNotOpen:
        return


@transaction.atomic
def replan_case(case_id: int, *, actor: User) -> ResignationCase:
    """Have what is not under way listed and planned anew, at once, by a worker: after policies,
    people or receivers have changed, or the plan was rejected. Raises ``CaseIsClosed``."""
    case = _locked_case(case_id, actor=actor)
    case.place, case.token, case.due_at = {"is_asked_for": True}, None, Now()
    case.attempt_count, case.trouble = 0, ""
    case.save(update_fields=["place", "token", "due_at", "attempt_count", "trouble"])
    record_audit(actor, verb="replan_case", subject=case)
    cases_due.send(sender=ResignationCase)
    case.refresh_from_db()
    return case


def approve_case(case_id: int, *, actor: User) -> ResignationCase:
    """Approve the transfer of a case, as ``approve_transfer`` does, refusals included: it keeps
    what it found out even then. Raises ``CaseIsClosed``, ``CaseIsNotPlanned``."""
    approve_transfer(_planned_transfer(case_id, actor=actor), actor=actor)
    return ResignationCase.objects.get(pk=case_id)


@transaction.atomic
def reject_case(case_id: int, *, reason: str, actor: User) -> ResignationCase:
    """Send the plan of a case back, as ``reject_transfer`` does; it waits until somebody has it
    planned anew. Raises ``CaseIsClosed``, ``CaseIsNotPlanned``."""
    reject_transfer(_planned_transfer(case_id, actor=actor), reason=reason, actor=actor)
    return ResignationCase.objects.get(pk=case_id)


def _planned_transfer(case_id: int, *, actor: User) -> int:
    case = ResignationCase.objects.visible_to(actor).get(pk=case_id)
    _refuse_ended(case)
    transfer = OwnershipTransfer.objects.filter(case=case).first()
    if transfer is None:
        raise CaseIsNotPlanned(_("还在清点，没有可以审批的方案，请稍后再看。"))
    return transfer.pk


def _locked_case(case_id: int, *, actor: User) -> ResignationCase:
    cases = ResignationCase.objects.visible_to(actor)
    case = cases.select_for_update(no_key=True, of=("self",)).get(pk=case_id)
    _refuse_ended(case)
    return case


def _refuse_ended(case: ResignationCase) -> None:
    if case.status not in OPEN_CASES:
        raise CaseIsClosed(
            _("这次离职交接%(status)s，不能再改。") % {"status": case.get_status_display()},
            details={"status": case.status},
        )


# --- How far it is --------------------------------------------------------------------------------


def case_progress(case: ResignationCase) -> CaseProgress:
    """How far a case is. A constant number of queries."""
    items = TransferItem.objects.filter(transfer__case=case).order_by()
    counts: dict[str, dict[str, int]] = {subject.value: {} for subject in Subject}
    for subject, state, count in items.values_list("subject", "state").annotate(n=Count("pk")):
        counts[subject][state] = count
    total = sum(sum(states.values()) for states in counts.values())
    explained = sum(states.get(each, 0) for states in counts.values() for each in EXPLAINED)
    return CaseProgress(
        counts=counts,
        total=total,
        explained=explained,
        open=total - explained,
        quota_days=_quota_days(case),
        deadline=deadline_of(case.left_at),
    )


def _quota_days(case: ResignationCase) -> int:
    """Of the company that takes longest."""
    unsent = TransferItem.objects.filter(
        transfer__case=case, subject=Subject.CHAT, state__in=UNSENT
    ).order_by()
    waiting: dict[tuple[int, int], int] = defaultdict(int)
    for account_id, giver_id, count in unsent.values_list("channel_account", "giver").annotate(
        n=Count("pk")
    ):
        waiting[account_id, giver_id] += count
    if not waiting:
        return 0
    quotas = quotas_left(case.enterprise_id, {giver_id for _account, giver_id in waiting})
    return max(
        days_needed(count, left=quotas.get(giver, UNUSED).left) for giver, count in waiting.items()
    )
