"""The end of a case: every item has an outcome that explains itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from communities.models import (
    Community,
    GroupChat,
    OwnershipTransfer,
    ResignationCase,
    TransferItem,
)
from communities.models.resignation import ResignationCaseQuerySet
from communities.rules.transfers import (
    AT_WORK,
    EXPLAINED,
    CaseStatus,
    ItemState,
    TransferStatus,
)
from communities.services.gatekeeping import OVER
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.audit import record_audit
from scrm.accounts.services.operator_tasks import settle_tasks

#: Somebody has to decide about the plan.
TO_BE_DECIDED = (TransferStatus.AWAITING_APPROVAL, TransferStatus.REJECTED)

#: As a list, because that is what the index of a transfer's items is asked by.
UNEXPLAINED = frozenset(ItemState) - EXPLAINED


@transaction.atomic
def close_finished_cases(case_ids: Collection[int]) -> int:
    """Bring the open ones of these cases up to their transfers, and close those whose list is
    complete and whose items are all explained; returns how many were closed.

    Whoever has changed items of a case calls it, in the same transaction, after the transfer was
    locked: the case is locked last.
    """
    cases = ResignationCase.objects.open().filter(pk__in=case_ids)
    locked = list(cases.select_for_update(no_key=True).order_by("pk"))
    if not locked:
        return 0
    _follow_transfers(locked)
    done = set(_finished([case.pk for case in locked]).values_list("pk", flat=True))
    for case in locked:
        if case.pk in done:
            _close(case)
    return len(done)


def _follow_transfers(cases: Sequence[ResignationCase]) -> None:
    """A plan waits for somebody's decision, or it is being carried out."""
    transfers = OwnershipTransfer.objects.filter(case__in=cases)
    stands = dict(transfers.values_list("case", "status"))
    for case in cases:
        status = _status_by(stands.get(case.pk, ""), case.status)
        if status != case.status:
            case.status = status
            case.save(update_fields=["status"])


def _status_by(stand: str, current: str) -> str:
    if stand in TO_BE_DECIDED:
        return CaseStatus.AWAITING_APPROVAL
    return CaseStatus.RUNNING if stand in AT_WORK else current


def _finished(case_ids: list[int]) -> ResignationCaseQuerySet:
    """Listed to the end, with nothing unexplained in the list and nothing left beside it."""
    items = TransferItem.objects.filter(transfer__case=OuterRef("pk"))
    cases = ResignationCase.objects.filter(pk__in=case_ids).exclude(listed_at=None)
    return cases.exclude(
        Exists(items.filter(state__in=sorted(UNEXPLAINED)))
        | Exists(chats_of(OuterRef("staff")).exclude(pk__in=items_of_case("chat")))
        | Exists(communities_of(OuterRef("staff")).exclude(pk__in=items_of_case("community")))
    )


def chats_of(staff: OuterRef | int) -> QuerySet[GroupChat]:
    return GroupChat.objects.live().filter(owner=staff)


def communities_of(staff: OuterRef | int) -> QuerySet[Community]:
    """Those that still run, or may, and name this colleague in some role."""
    named = Q(owner=staff) | Q(adviser=staff) | Q(backup_owner=staff)
    return Community.objects.filter(named).exclude(status__in=OVER)


def items_of_case(subject: str) -> QuerySet[TransferItem, dict[str, Any]]:
    """The chats or communities that stand in the transfer of the case two queries outwards."""
    items = TransferItem.objects.filter(transfer__case=OuterRef(OuterRef("pk")))
    named: QuerySet[TransferItem, dict[str, Any]] = items.values(subject)
    return named.filter(**{f"{subject}__isnull": False})


def _close(case: ResignationCase) -> None:
    before = {"status": case.status}
    end_case(case, CaseStatus.CLOSED)
    record_audit(
        None,
        verb="close_case",
        subject=case,
        before=before,
        after={
            "status": case.status,
            "count": TransferItem.objects.filter(transfer__case=case).count(),
        },
    )


def end_case(case: ResignationCase, status: CaseStatus) -> None:
    """Nothing is due with it any more. Call it with the case locked."""
    case.status, case.due_at, case.token = status, None, None
    case.closed_at, case.trouble, case.place = Now(), "", {}
    case.save(update_fields=["status", "due_at", "token", "closed_at", "trouble", "place"])
    mine = ResignationCase.objects.filter(pk=case.pk)
    settle_tasks(TaskKind.RESIGNATION_DUE, subjects=mine)
    case.refresh_from_db()
