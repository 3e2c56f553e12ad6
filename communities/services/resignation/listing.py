"""What somebody has left behind: from our rows, and from the platform, which may know more."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from communities.handlers import CustomerOfStaff, customer_book
from communities.models import OwnershipTransfer, ResignationCase
from communities.services.resignation.claims import keep
from communities.services.resignation.closing import chats_of, communities_of
from communities.services.transfers.planning import add_chats, add_communities, add_customers
from scrm.shared.errors import DomainError
from scrm.wecom.client import WecomClient, client_for
from scrm.wecom.client.errors import WecomRefusal
from scrm.wecom.client.results import UnassignedCustomer
from scrm.wecom.models import SyncRun, WecomConnection
from scrm.wecom.rules.status import ConnectionState, SyncScope, SyncState
from scrm.wecom.services.syncing import start_sync

logger = logging.getLogger(__name__)

WORKING = (ConnectionState.CONNECTED, ConnectionState.FAILING)
READS_GROUPS = (SyncScope.FULL, SyncScope.GROUPS)
READ_TO_THE_END = (SyncState.COMPLETED, SyncState.PARTIAL)
BAD_CURSOR = 50100


@dataclass
class Listing:
    """How far the listing of a case is, as it is kept in ``place``.

    ``asked``: by connection, where to go on in the platform's list; None once it was read to its
    end. ``is_asked_for``: a person wants the plan made anew.
    """

    case: ResignationCase
    token: UUID
    are_customers_listed: bool
    asked: dict[str, str | None]
    is_asked_for: bool

    @classmethod
    def of(cls, case: ResignationCase, token: UUID) -> Listing:
        place = case.place
        return cls(
            case=case,
            token=token,
            are_customers_listed=place.get("are_customers_listed", False),
            asked=dict(place.get("asked", {})),
            is_asked_for=place.get("is_asked_for", False),
        )

    def keep(self) -> None:
        """In the transaction of what was written. Raises ``LeaseLost``."""
        keep(self.case, self.token)
        self.case.place = {
            "are_customers_listed": self.are_customers_listed,
            "asked": self.asked,
            "is_asked_for": self.is_asked_for,
        }
        self.case.save(update_fields=["place"])


def transfer_of(case: ResignationCase) -> OwnershipTransfer:
    """The one transfer of a case, made with the first thing that is found."""
    transfers = OwnershipTransfer.objects.select_for_update(no_key=True, of=("self",))
    found = transfers.filter(case=case).first()
    if found is not None:
        return found
    reason = _("“%(staff)s”离职，名下的群、客户和社群交给同事。") % {"staff": case.staff}
    return OwnershipTransfer.objects.create(
        enterprise_id=case.enterprise_id, case=case, reason=reason[:300]
    )


# --- Our rows -------------------------------------------------------------------------------------


@transaction.atomic
def list_our_rows(listing: Listing) -> int:
    """Add what our rows say is theirs; how many things are new. Customers once in a pass: nobody
    becomes the customer of somebody who has left."""
    case, staff_id, new = listing.case, listing.case.staff_id, 0
    transfer = cache(partial(transfer_of, case))
    chats = chats_of(staff_id).filter(enterprise_id=case.enterprise_id)
    if chats.exists():
        new += add_chats(transfer(), chats)
    communities = communities_of(staff_id).filter(enterprise_id=case.enterprise_id)
    if ids := list(communities.values_list("pk", flat=True)):
        new += add_communities(transfer(), ids, giver_id=staff_id)
    if not listing.are_customers_listed:
        for page in customer_book().of_staff(staff_id):
            new += add_customers(transfer(), staff_id, page)
        listing.are_customers_listed = True
    listing.keep()
    return new


# --- The platform ---------------------------------------------------------------------------------


def working_connections(case: ResignationCase) -> list[WecomConnection]:
    connections = WecomConnection.objects.filter(enterprise=case.enterprise_id, state__in=WORKING)
    return list(connections.select_related("account", "enterprise").order_by("pk"))


def read_groups(case: ResignationCase, connections: Sequence[WecomConnection]) -> bool:
    """Have the groups of each company read since the case was opened; whether they were. One sync
    serves everybody who left before it."""
    were_read = [_read_groups(case, connection) for connection in connections]
    return all(were_read)


def _read_groups(case: ResignationCase, connection: WecomConnection) -> bool:
    runs = SyncRun.objects.filter(connection=connection, scope__in=READS_GROUPS)
    since = runs.filter(started_at__gte=case.opened_at)
    if since.filter(state__in=READ_TO_THE_END).exists():
        return True
    if not since.filter(state=SyncState.RUNNING).exists():
        _start(connection)
    return False


def _start(connection: WecomConnection) -> None:
    try:
        start_sync(connection.pk, scope=SyncScope.GROUPS, actor=None)
    except DomainError as refusal:  # one that began before runs, or the company was paused just now
        logger.info(
            "Groups are read later.",
            extra={"connection_id": connection.pk, "reason": refusal.code},
        )


def ask_platform(
    listing: Listing, connections: Sequence[WecomConnection], *, ends_at: float
) -> bool:
    """Read the platform's list of customers without a colleague, one page at least; whether it was
    read to its end. A page and where to go on after it are written together. Raises
    ``WecomRefusal``, ``LeaseLost``."""
    return all(_ask(listing, connection, ends_at=ends_at) for connection in connections)


def _ask(listing: Listing, connection: WecomConnection, *, ends_at: float) -> bool:
    key = str(connection.pk)
    if listing.asked.get(key, "") is None:
        return True
    with client_for(connection) as client:
        while (cursor := listing.asked.get(key, "")) is not None:
            customers, listing.asked[key] = _next_page(client, cursor)
            _write(listing, connection, customers)
            if time.monotonic() > ends_at:
                break
    return listing.asked[key] is None


def _next_page(client: WecomClient, cursor: str) -> tuple[Sequence[UnassignedCustomer], str | None]:
    try:
        page = client.unassigned_customers(cursor)
    except WecomRefusal as refusal:
        if refusal.code == BAD_CURSOR and cursor:
            return (), ""
        raise
    return page.items, page.next_cursor or None


@transaction.atomic
def _write(
    listing: Listing, connection: WecomConnection, customers: Sequence[UnassignedCustomer]
) -> None:
    case = listing.case
    userid = case.staff.external_id.lower()
    mine = [each for each in customers if userid and each.handover_userid.lower() == userid]
    if mine:
        found = [CustomerOfStaff(connection.account_id, each.external_userid) for each in mine]
        add_customers(transfer_of(case), case.staff_id, found)
    listing.keep()
    told = [each.resigned_at for each in mine if each.resigned_at is not None]
    if told and case.left_at != max(told):
        case.left_at = max(told)
        case.save(update_fields=["left_at"])
