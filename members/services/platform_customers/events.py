"""Callbacks about customers: who became whose contact and who is none any more, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from communities.services.transfers.results import FailedTakeover, settle_failed_takeovers
from members.models import Follow
from members.rules.status import FollowEnd
from members.rules.stays import Joined, Left
from members.services.platform.people import Person, members_for
from members.services.platform_customers.recording import (
    end_follows,
    follows_not_shown,
    record_customers,
    staff_for,
)
from members.services.platform_customers.spans import (
    Notes,
    Pair,
    Told,
    lock_members,
    record_follows,
)
from members.signals import contact_added
from scrm.wecom.client import WecomClient
from scrm.wecom.client.errors import WecomRefusal
from scrm.wecom.client.results import CustomerDetail
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.events import Event
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.platform_clock import platform_now
from scrm.wecom.services.reading import request_reads

CUSTOMER_EVENT = "change_external_contact"
ADDED, HALF_ADDED = "add_external_contact", "add_half_external_contact"
EDITED = "edit_external_contact"
DELETED, STAFF_DELETED = "del_external_contact", "del_follow_user"
TRANSFER_FAILED = "transfer_fail"
CUSTOMER_CHANGES = (ADDED, HALF_ADDED, EDITED, DELETED, STAFF_DELETED, TRANSFER_FAILED)
BY_TRANSFER = "DELETE_BY_TRANSFER"


def take_customer_events(
    connection: WecomConnection, events: Sequence[Event]
) -> Mapping[int, str] | None:
    """Write down who added or deleted whom, and have the customers read that have changed."""
    useless = {event.row_id: reason for event in events if (reason := _uselessness(event))}
    useless |= _settle_takeovers(
        connection, [event for event in events if event.change_type == TRANSFER_FAILED]
    )
    used = [event for event in events if event.row_id not in useless]
    used = [event for event in used if event.change_type != TRANSFER_FAILED]
    gone = (DELETED, STAFF_DELETED)
    changed = {e["ExternalUserID"] for e in used if e.change_type not in gone}
    # before the people are locked: a reading, too, has its request first
    request_reads(connection, ReadKind.CUSTOMER, changed)
    moves = [event for event in used if event.change_type != EDITED and event.occurred_at]
    if moves:
        _record_moves(connection, moves)
    return useless


def _uselessness(event: Event) -> str:
    if not event["UserID"] or not event["ExternalUserID"]:
        return _("回调里没有员工账号或客户编号。")
    return ""


def _settle_takeovers(connection: WecomConnection, events: Sequence[Event]) -> dict[int, str]:
    """Before anybody is locked: hand-overs come before people."""
    told = {
        event.row_id: FailedTakeover(
            event["UserID"], event["ExternalUserID"], event["FailReason"], event.occurred_at
        )
        for event in events
        if event.occurred_at is not None
    }
    heard = settle_failed_takeovers(connection, [*told.values()]) if told else set()
    why = _("没有经本系统发起的客户转接。")
    return {event.row_id: why for event in events if told.get(event.row_id) not in heard}


def _record_moves(connection: WecomConnection, events: Sequence[Event]) -> None:
    customers = sorted({event["ExternalUserID"] for event in events})
    member_ids = members_for(connection, dict.fromkeys(customers, Person()))
    lock_members(sorted(set(member_ids.values())))
    staff_ids = staff_for(connection, {event["UserID"] for event in events})
    told: dict[Pair, Told] = {}
    pairs: dict[int, Pair] = {}
    for event in events:
        pair = (staff_ids[event["UserID"].lower()], member_ids[event["ExternalUserID"]])
        pairs[event.row_id] = pair
        _tell(told.setdefault(pair, Told(event["ExternalUserID"])), event)
    _counts, rows = record_follows(connection, told)
    for event in events:
        if event["WelcomeCode"]:
            _announce(event, rows[pairs[event.row_id]])


def _tell(told: Told, event: Event) -> None:
    assert event.occurred_at is not None
    at = event.occurred_at
    if event.change_type in (ADDED, HALF_ADDED):
        told.facts.append(Joined(at))
        told.notes[at] = Notes(state=event["State"][:64] or None)
        if event.change_type == HALF_ADDED:
            told.halves.add(at)
    elif event.change_type == STAFF_DELETED:
        told.facts.append(Left(at, FollowEnd.BY_CUSTOMER))
    elif event["Source"] == BY_TRANSFER:
        told.facts.append(Left(at, FollowEnd.TRANSFERRED))
    else:
        told.facts.append(Left(at, FollowEnd.BY_STAFF))


def _announce(event: Event, rows: Sequence[Follow]) -> None:
    for row in rows:
        if row.began_at == event.occurred_at:
            contact_added.send(
                sender=Follow,
                follow_id=row.pk,
                occurred_at=event.occurred_at,
                welcome_code=event["WelcomeCode"],
            )


class CustomerReader:
    """One customer with every colleague who follows them, as far as we may see."""

    def fetch(self, client: WecomClient, external_id: str) -> CustomerDetail:
        return client.customer(external_id)

    @transaction.atomic
    def apply(
        self, connection: WecomConnection, found: CustomerDetail, *, read_at: datetime, **_: object
    ) -> None:
        record_customers(connection, [found], read_at=read_at)
        shown = {follow.userid.lower() for follow in found.follows}
        others = follows_not_shown(connection, found.external_userid, shown)
        end_follows(connection, others, read_at=read_at)

    @transaction.atomic
    def gone(self, connection: WecomConnection, external_id: str, *, refusal: WecomRefusal) -> None:
        others = follows_not_shown(connection, external_id, set())
        end_follows(connection, others, read_at=platform_now(connection))
