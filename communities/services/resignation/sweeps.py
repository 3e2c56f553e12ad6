"""What the clock does for cases: list what is left, plan it, find what was overlooked, warn."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from uuid import UUID

from django.db import InterfaceError, transaction
from django.db import connection as database
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.models import OwnershipTransfer, ResignationCase, TransferItem
from communities.rules.resignation import deadline_of, warns_at
from communities.rules.transfer_status import DERIVED
from communities.rules.transfers import EXPLAINED, CaseCause, ItemState, TransferStatus
from communities.services.resignation.claims import LeaseLost, cases_are_due, claim_case, let_go
from communities.services.resignation.closing import close_finished_cases
from communities.services.resignation.explaining import explain_items
from communities.services.resignation.left_behind import name_unknown_leavers, who_left_something
from communities.services.resignation.listing import (
    Listing,
    ask_platform,
    list_our_rows,
    read_groups,
    working_connections,
)
from communities.services.resignation.resigning import begin_case
from communities.services.transfers.locking import lock_plans_of
from communities.services.transfers.planning import preflight
from communities.services.transfers.settling import settle_transfers
from communities.services.transfers.submitting import submit_transfer
from scrm.accounts.models import Staff
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.operator_tasks import open_task
from scrm.accounts.services.users import lock_accounts_of
from scrm.shared.clock import database_now
from scrm.wecom.client.codes import words_for
from scrm.wecom.client.errors import WecomRefusal
from scrm.wecom.models import WecomConnection
from scrm.wecom.services.platform_clock import platform_now

logger = logging.getLogger(__name__)

SLICE_SECONDS = 20.0  # well below the time limit of a task
#: An open case is looked at again so often: for late finds, and for who could receive now.
AGAIN = timedelta(hours=6)
#: A sync of groups is looked for so often.
SYNCING = timedelta(seconds=20)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)
MOST_DOUBLINGS = 10


def advance_cases(*, limit: int = 10) -> bool:
    """Push on due cases: ask the platform what is left with them, add it, plan and submit.

    Calls the platform, so outside a transaction. Whether something was still due at the end.
    """
    for _round in range(limit):
        claimed = claim_case()
        if claimed is None:
            return False
        advance_case(*claimed)
    return cases_are_due()


def advance_case(case: ResignationCase, token: UUID) -> None:
    """List, plan and submit for a while; when it is due again depends on what is missing."""
    try:
        _advance(Listing.of(case, token))
    except LeaseLost:
        logger.info("A case is in other hands.", extra={"case_id": case.pk})
    except WecomRefusal as refusal:
        logger.warning(
            "The platform did not say what is left of somebody.",
            extra={"case_id": case.pk, "api": refusal.api, "errcode": refusal.code},
        )
        _try_again(case, token, trouble=words_for(refusal), seconds=refusal.retry_after)
    except Exception as error:
        if not database.is_usable():
            database.close()
            raise InterfaceError("The database went away while a case was planned.") from error
        logger.exception("A case could not be pushed on.", extra={"case_id": case.pk})
        _try_again(case, token, trouble=_("清点或排方案时出错，详情见日志；系统会再试。"))


def _advance(listing: Listing) -> None:
    """What is known already is planned and submitted even while the platform says nothing."""
    case, token = listing.case, listing.token
    ends_at = time.monotonic() + SLICE_SECONDS
    connections = working_connections(case)
    were_read = read_groups(case, connections)
    list_our_rows(listing)
    try:
        was_asked = ask_platform(listing, connections, ends_at=ends_at)
    except LeaseLost:
        raise
    except Exception:
        _plan(listing)
        raise
    if not was_asked:
        let_go(case, token, wait=timedelta())
        return
    _plan(listing)
    _settle(listing, is_complete=were_read)


@transaction.atomic
def _plan(listing: Listing) -> None:
    """Find receivers for what is new or was blocked, and hand it over or ask for approval; what
    others have seen to is explained. A plan that somebody has sent back waits until somebody wants
    another."""
    case = listing.case
    lock_plans_of(case.enterprise_id)
    transfer = (
        OwnershipTransfer.objects.select_for_update(no_key=True, of=("self",))
        .filter(case=case)
        .first()
    )
    if transfer is None:
        return
    may_submit = transfer.status in DERIVED | {TransferStatus.DRAFT}
    was_sent_back = transfer.status == TransferStatus.REJECTED and listing.is_asked_for
    if may_submit or was_sent_back:
        _submit(transfer)
    if explain_items(transfer):
        settle_transfers([transfer.pk])
    listing.is_asked_for = False
    listing.keep()


def _submit(transfer: OwnershipTransfer) -> None:
    items = transfer.items.all()
    is_new = transfer.submitted_at is None or transfer.status == TransferStatus.REJECTED
    if not is_new and not items.filter(state=ItemState.PLANNED).exists():
        if not items.filter(state=ItemState.BLOCKED).exists():
            return
        preflight(transfer.pk)
        if not items.filter(state=ItemState.PLANNED).exists():
            settle_transfers([transfer.pk])
            return
    submit_transfer(transfer.pk, actor=None)


@transaction.atomic
def _settle(listing: Listing, *, is_complete: bool) -> None:
    """A pass is over. Complete is the list once the groups, too, were read after the leaving and
    listed after that."""
    case, token = listing.case, listing.token
    if is_complete:
        changes = {"listed_at": Now(), "place": {}}
        let_go(case, token, wait=AGAIN, attempt_count=0, trouble="", **changes)
    else:
        let_go(case, token, wait=SYNCING, attempt_count=0, trouble="")
    close_finished_cases([case.pk])


def _try_again(
    case: ResignationCase, token: UUID, *, trouble: str, seconds: float | None = None
) -> None:
    grown = FIRST_WAIT * 2 ** min(case.attempt_count, MOST_DOUBLINGS)
    wait = max(min(grown, LONGEST_WAIT), timedelta(seconds=seconds or 0))
    count = min(case.attempt_count + 1, 1000)
    try:
        let_go(case, token, wait=wait, attempt_count=count, trouble=trouble[:300])
    except LeaseLost:
        logger.info("A case is in other hands.", extra={"case_id": case.pk})


# --- What was overlooked --------------------------------------------------------------------------


def gather_left_behind() -> int:
    """Open cases for inactive people who are found to own something still; how many.

    Owners whom the platform names as resigned and whom we do not know become known first.
    """
    name_unknown_leavers()
    return sum(_open_found(staff_id) for staff_id in who_left_something())


@transaction.atomic
def _open_found(staff_id: int) -> bool:
    lock_accounts_of(Staff.objects.values_list("enterprise_id", flat=True).get(pk=staff_id))
    staff = Staff.objects.select_for_update(no_key=True).get(pk=staff_id)
    if staff.is_active:
        return False
    return begin_case(staff, cause=CaseCause.FOUND, opened_by=None) is not None


# --- The platform's year --------------------------------------------------------------------------


def warn_of_deadlines() -> int:
    """Warn once of each open case whose platform year ends within 30 days; how many."""
    now, clocks = database_now(), _platform_clocks()
    cases = ResignationCase.objects.open().filter(warned_at=None).order_by("pk")
    due = [
        case_id
        for case_id, enterprise_id, left_at in cases.values_list("pk", "enterprise", "left_at")
        if warns_at(left_at) <= clocks.get(enterprise_id, now)
    ]
    return sum(_warn(case_id) for case_id in due)


def _platform_clocks() -> dict[int, datetime]:
    """The latest of each enterprise."""
    clocks: dict[int, datetime] = {}
    for connection in WecomConnection.objects.in_use():
        now, home = platform_now(connection), connection.enterprise_id
        clocks[home] = max(clocks.get(home, now), now)
    return clocks


@transaction.atomic
def _warn(case_id: int) -> bool:
    cases = ResignationCase.objects.open().filter(pk=case_id, warned_at=None)
    case = cases.select_for_update(no_key=True, of=("self",)).select_related("staff").first()
    if case is None:
        return False
    items = TransferItem.objects.filter(transfer__case=case)
    count = items.exclude(state__in=sorted(EXPLAINED)).count()
    deadline = deadline_of(case.left_at)
    zone = case.enterprise.zone
    open_task(
        TaskKind.RESIGNATION_DUE,
        subject=case,
        title=_("“%(staff)s”的离职交接还有 %(count)d 项，%(day)s 后平台不再允许继承")
        % {"staff": case.staff, "count": count, "day": deadline.astimezone(zone).date()},
        details={"count": count},
        due_at=deadline,
    )
    case.warned_at = Now()
    case.save(update_fields=["warned_at"])
    return True
