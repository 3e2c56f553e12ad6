"""Somebody leaves: a case is opened for what they owned, planned and approved.

It is listed and pushed on by ``case_sweeps``, and closed by ``closing_cases``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from communities.models import ResignationCase
from communities.rules.transfers import CaseCause
from scrm.accounts.models import Staff, User


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


@transaction.atomic
def open_case(staff_id: int, *, actor: User) -> ResignationCase:
    """Open the case of somebody who leaves or has left; whoever is still active loses their access
    in the same transaction. Raises ``CaseIsOpen``."""
    raise NotImplementedError


@transaction.atomic
def begin_case(staff: Staff, *, cause: CaseCause, opened_by: User | None) -> ResignationCase | None:
    """The case of somebody inactive, in the caller's transaction; the open one if there is one."""
    raise NotImplementedError


@transaction.atomic
def replan_case(case_id: int, *, actor: User) -> ResignationCase:
    """List and plan anew what is not under way: after policies, people or receivers have changed.
    Raises ``CaseIsClosed``."""
    raise NotImplementedError


@transaction.atomic
def approve_case(case_id: int, *, actor: User) -> ResignationCase:
    """Approve the transfer of a case, as ``approve_transfer`` does. Raises ``CaseIsClosed``,
    ``CaseIsNotPlanned``."""
    raise NotImplementedError


@transaction.atomic
def reject_case(case_id: int, *, reason: str, actor: User) -> ResignationCase:
    """Send the plan of a case back to whoever plans it, as ``reject_transfer`` does."""
    raise NotImplementedError


def case_progress(case: ResignationCase) -> CaseProgress:
    """How far a case is. A constant number of queries."""
    raise NotImplementedError
