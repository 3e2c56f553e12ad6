"""Groups and customers that change hands."""

from __future__ import annotations

from dataclasses import dataclass, field

from scrm.wecom.simulator.clock import DAY, day_start
from scrm.wecom.simulator.groups import Groups
from scrm.wecom.simulator.records import Contact, Group, Staff
from scrm.wecom.simulator.refusals import Impossible
from scrm.wecom.simulator.state import TRANSIENT, verb

GROUPS_A_DAY = 300
TIMES, WITHIN_DAYS = 2, 90
YEAR = 365 * DAY
WAITING, DONE, REFUSED, FULL = 2, 1, 3, 4


@dataclass(slots=True)
class Transfer:
    """``status``: 1 done, 2 waiting for the customer, 3 refused, 4 the taker's list is full."""

    serial: int
    handover_userid: str
    takeover_userid: str
    external_userid: str
    started_at: int
    takeover_time: int
    resigned: bool
    status: int = WAITING


@dataclass(kw_only=True)
class HandOver(Groups):
    """``handed_over`` counts the groups of a day, by giver. ``transfers_of`` and ``transfer_by``
    are indexes of ``transfers``, by customer and by serial."""

    transfers: list[Transfer] = field(default_factory=list)
    handed_over: dict[str, int] = field(default_factory=dict)
    transfers_of: dict[str, list[Transfer]] = field(default_factory=dict, metadata=TRANSIENT)
    transfer_by: dict[str, Transfer] = field(default_factory=dict, metadata=TRANSIENT)

    def __post_init__(self) -> None:
        super().__post_init__()
        for transfer in self.transfers:
            self._index_transfer(transfer)

    def _index_transfer(self, transfer: Transfer) -> None:
        self.transfers_of.setdefault(transfer.external_userid, []).append(transfer)
        self.transfer_by[str(transfer.serial)] = transfer

    # Rules: each is a code, 0 when nothing is in the way -----------------------------------------

    def taker_fault(self, staff: Staff | None) -> int:
        """Why somebody cannot take anything over."""
        if staff is None or staff.resigned:
            return 46004
        faults = {
            84074: not staff.follows_customers,
            41054: staff.status != 1,
            40098: not staff.real_name,
            40143: staff.banned,
            40205: self.was_away(staff),
        }
        return next((code for code, wrong in faults.items() if wrong), 0)

    def was_away(self, staff: Staff) -> bool:
        """Whether somebody had not logged in for a year, counted back from leaving."""
        until = staff.resigned_at or self.clock.second()
        return staff.last_login_at < until - YEAR

    def group_fault(self, group: Group | None, new_owner: Staff, *, resigned: bool) -> int:
        """Why a group cannot be handed over to ``new_owner``."""
        if group is None or group.dissolved_at:
            return 40050 if group is None else 49008
        owner, now = self.somebody(group.owner), self.clock.second()
        recent = [at for at in group.given_on_job_at if at > now - WITHIN_DAYS * DAY]
        given = self.handed_over.get(self._count_key(owner.userid), 0)
        faults = {
            90501: group.internal,
            90507: group.status == 2,
            90508: resigned and group.status == 3,
            90502: owner.resigned and not resigned,
            90500: resigned and not owner.resigned,
            90504: owner.userid == new_owner.userid,
            90503: group.needs_confirmation,
            40205: self.was_away(owner) or 0 < owner.resigned_at < now - YEAR,
            40128: not resigned and len(recent) >= TIMES,
            45009: given >= GROUPS_A_DAY,
        }
        return next((code for code, wrong in faults.items() if wrong), 0)

    def customer_fault(self, giver: Staff, taker: Staff, external_userid: str) -> int:
        """Why a customer cannot be handed over."""
        if external_userid not in self.people:
            return 40096
        contact = self.contact(giver.userid, external_userid)
        recent = self.recent_transfers(external_userid)
        faults = {
            40130: giver.userid == taker.userid,
            40131: contact is None or not contact.shown,
            40129: any(each.status == WAITING for each in recent),
            40128: sum(each.status == DONE for each in recent) >= TIMES,
            40099: self.is_full(taker),
        }
        return next((code for code, wrong in faults.items() if wrong), 0)

    def recent_transfers(self, external_userid: str) -> list[Transfer]:
        since = self.clock.second() - WITHIN_DAYS * DAY
        known = self.transfers_of.get(external_userid, ())
        return [each for each in known if each.started_at > since]

    def is_full(self, staff: Staff) -> bool:
        limit = staff.customer_limit
        return limit > 0 and len(self.customers_of(staff.userid)) >= limit

    def _count_key(self, giver: str) -> str:
        return f"{day_start(self.clock.time())} {giver}"

    # What the API begins ------------------------------------------------------------------------

    def hand_over_group(self, group: Group, new_owner: Staff, *, resigned: bool) -> None:
        """At once while the owner works here; as an inheritance that takes a while otherwise."""
        key = self._count_key(group.owner)
        self.handed_over[key] = self.handed_over.get(key, 0) + 1
        group.handed_over_at.append(self.clock.second())
        if not resigned:
            group.given_on_job_at.append(self.clock.second())
            self._give(group, new_owner, 0)
            return
        group.status = 2
        after = self.settings.inheritance_seconds
        self.schedule(after, "inherit_group", group.chat_id, new_owner.userid)

    def inherit_group(self, chat_id: str, userid: str) -> None:
        group, staff = self.groups[chat_id], self.somebody(userid)
        if group.status == 2 and not group.dissolved_at:
            self._give(group, staff, 3)

    def _give(self, group: Group, new_owner: Staff, status: int) -> None:
        """Silent unless a switch says otherwise: the API did it."""
        self._keep_look(group)
        if new_owner.userid not in group.members:
            self._enter(group, new_owner.userid, self.clock.second(), 1, group.owner, "")
            self._new_version(group)
        group.owner, group.status = new_owner.userid, status
        if self.faults.owner_change_event:
            self._announce_update(group, "change_owner")

    def hand_over_customer(self, giver: Staff, taker: Staff, external_userid: str) -> None:
        """It begins; the customer has a day to say no."""
        now = self.clock.second()
        wait = self.settings.customer_answer_seconds
        transfer = Transfer(
            self.next_serial(),
            giver.userid,
            taker.userid,
            external_userid,
            now,
            now + wait,
            giver.resigned,
        )
        self.transfers.append(transfer)
        self._index_transfer(transfer)
        self.schedule(wait, "complete_transfer", str(transfer.serial))

    def unassigned(self) -> list[tuple[Staff, Contact]]:
        """Customers of people who left, whom nobody is about to take over; newest first."""
        underway = {
            (each.handover_userid, each.external_userid)
            for each in self.transfers
            if each.status == WAITING
        }
        found = [
            (staff, contact)
            for staff in self.everybody
            if staff.resigned
            for contact in self.customers_of(staff.userid)
            if (staff.userid, contact.external_userid) not in underway
        ]
        return sorted(found, key=lambda pair: (-pair[0].resigned_at, -pair[1].serial))

    # What people do -----------------------------------------------------------------------------

    @verb
    def refuse_transfer(self, external_userid: str) -> None:
        """The customer says no to the hand-over that waits for him."""
        transfer = self._waiting(external_userid)
        transfer.status, transfer.takeover_time = REFUSED, 0
        if transfer.resigned:
            contact = self.contact(transfer.handover_userid, external_userid)
            if contact is not None:
                contact.state = "deleted_by_staff"
        self._announce_failure(transfer, "customer_refused")

    @verb
    def accept_transfer(self, external_userid: str) -> None:
        """The customer says yes before the day is over."""
        self._finish(self._waiting(external_userid))

    def complete_transfer(self, serial: str) -> None:
        transfer = self.transfer_by[serial]
        if transfer.status == WAITING:
            self._finish(transfer)

    def _waiting(self, external_userid: str) -> Transfer:
        for transfer in self.transfers_of.get(external_userid, ()):
            if transfer.status == WAITING:
                return transfer
        raise Impossible(f"客户 {external_userid} 没有等待中的分配")

    def _finish(self, transfer: Transfer) -> None:
        taker = self.somebody(transfer.takeover_userid)
        if self.is_full(taker):
            transfer.status, transfer.takeover_time = FULL, 0
            self._announce_failure(transfer, "customer_limit_exceed")
            return
        transfer.status, transfer.takeover_time = DONE, self.clock.second()
        self._take_over(transfer, taker)
        former = self.contact(transfer.handover_userid, transfer.external_userid)
        if former is None or not former.shown:
            return
        if transfer.resigned:
            former.state = "deleted_by_staff"
        elif former.state == "friends":
            self.delete_contact(former.userid, transfer.external_userid, by="transfer")

    def _take_over(self, transfer: Transfer, taker: Staff) -> None:
        """No event when they were contacts already, and never a welcome code."""
        before = self.contact(taker.userid, transfer.external_userid)
        if before is not None and before.state == "friends":
            return
        person = self.person(transfer.external_userid)
        self._befriend(taker, person, add_way=202, channel="")
        self.announce(
            "change_external_contact",
            ("ChangeType", "add_external_contact"),
            ("UserID", taker.userid),
            ("ExternalUserID", person.id),
            subject=person.id,
        )

    def _announce_failure(self, transfer: Transfer, reason: str) -> None:
        self.announce(
            "change_external_contact",
            ("ChangeType", "transfer_fail"),
            ("FailReason", reason),
            ("UserID", transfer.takeover_userid),
            ("ExternalUserID", transfer.external_userid),
            subject=transfer.external_userid,
        )

    def _left(self, staff: Staff) -> None:
        super()._left(staff)
        for group in self.groups.values():
            if group.owner == staff.userid and not group.dissolved_at:
                group.status = 1

    def _userid_changed(self, former: str, new: str) -> None:
        super()._userid_changed(former, new)
        for group in self.groups.values():
            if group.owner == former:
                group.owner = new
            group.admins = [new if each == former else each for each in group.admins]
            if (here := group.members.pop(former, None)) is not None:
                here.id = new
                group.members[new] = here
