"""What the desk shows of hand-overs and of those who have left, as one user may see it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Min, Q
from django.utils.formats import date_format
from django.utils.timezone import localtime

from communities.models import (
    OwnershipTransfer,
    OwnershipViolation,
    ResignationCase,
    TransferItem,
)
from communities.rules.resignation import deadline_of
from communities.rules.transfer_status import MENDABLE
from communities.rules.transfers import EXPLAINED
from scrm.desk.numbers import Desk, Queue

TO_APPROVE = "mine=approve"
OPEN_VIOLATIONS = "status__exact=open"
TROUBLED_ONLY = "trouble=yes"
CASES_SHOWN = 5


def to_approve(desk: Desk) -> Queue:
    """Nobody approves what one planned oneself."""
    waiting = OwnershipTransfer.objects.to_be_approved_by(desk.user)
    return Queue(**waiting.aggregate(count=Count("pk"), oldest=Min("submitted_at")))


def in_trouble(desk: Desk) -> Queue:
    troubled = OwnershipTransfer.objects.visible_to(desk.user).in_trouble()
    return Queue(**troubled.aggregate(count=Count("pk"), oldest=Min("submitted_at")))


def open_violations(desk: Desk) -> Queue:
    violations = OwnershipViolation.objects.visible_to(desk.user).open()
    return Queue(**violations.aggregate(count=Count("pk"), oldest=Min("created_at")))


@dataclass(frozen=True)
class CaseProgress:
    """An open case as a row of the desk."""

    case: ResignationCase
    total: int
    explained: int
    trouble: int

    @property
    def percent(self) -> int:
        return 100 * self.explained // self.total if self.total else 0

    @property
    def deadline(self) -> str:
        return date_format(localtime(deadline_of(self.case.left_at)), "Y-m-d")


def case_progress(desk: Desk) -> list[CaseProgress]:
    """The open cases whose year ends first."""
    cases = list(
        ResignationCase.objects.visible_to(desk.user)
        .open()
        .select_related("staff")
        .order_by("left_at", "pk")[:CASES_SHOWN]
    )
    counts = {
        case_id: facts
        for case_id, *facts in TransferItem.objects.filter(transfer__case__in=cases)
        .order_by()
        .values_list("transfer__case")
        .annotate(
            total=Count("pk"),
            explained=Count("pk", filter=Q(state__in=sorted(EXPLAINED))),
            trouble=Count("pk", filter=Q(state__in=sorted(MENDABLE))),
        )
    }
    return [CaseProgress(case, *counts.get(case.pk, (0, 0, 0))) for case in cases]
