"""Colleagues of the made-up customer who left, and what they left behind: the rules of who takes
over, one case that is closed, one under way, and a plan that waits for approval.

All of it through the verbs and the simulator. The clock of the simulated company is set back to
when it happened, and at the end to now; our own dates are moved back afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import F
from django.db.models.functions import Now

from communities.models import (
    GroupChat,
    OwnershipTransfer,
    ResignationCase,
    TransferItem,
    TransferNotice,
)
from communities.rules.kinds import CommunityKind
from communities.rules.transfers import ItemState, Selection, Subject
from communities.services.resignation.resigning import approve_case
from communities.services.resignation.sweeps import advance_cases
from communities.services.transfers.executing import run_due_transfers
from communities.services.transfers.policies import create_policy
from communities.services.transfers.submitting import draft_transfer, submit_transfer
from communities.services.transfers.telling import send_due_notices
from scrm.demo.founding import Founded
from scrm.demo.happening import deliver
from scrm.wecom.models import ReadRequest
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.advancing import advance_syncs
from scrm.wecom.services.platform_clock import learn_clock
from scrm.wecom.services.processing import process_waiting
from scrm.wecom.services.reading import request_reads
from scrm.wecom.services.rereading import read_waiting
from scrm.wecom.simulator.corp import Corp

DAY = 86_400
HERE_FOR = 90  # days, before they left
FINISHED, RUNNING = timedelta(days=6), timedelta(hours=5)
MOST_PER_OWNER = 400
LATER = timedelta(days=1, minutes=10)  # than the leaving, when the customers' day was over


@dataclass(frozen=True)
class Leaver:
    """Somebody who has left, and with what."""

    userid: str
    name: str
    department_of: str  # a colleague
    ago: timedelta
    chats: int
    customers: int


GONE = Leaver("zhou.zhou", "周舟", "he.jiahao", FINISHED, chats=2, customers=5)
GOING = Leaver("fang.he", "方荷", "tang.yi", RUNNING, chats=2, customers=4)


def name_policies(founded: Founded) -> int:
    """Who takes over what; how many rules that are."""
    admin, staff = founded.admin, founded.staff
    east, south = (founded.values[f"region:{code}"] for code in ("east", "south"))
    create_policy(
        actor=admin,
        name="客户群：同部门优先",
        selection=Selection.SAME_DEPARTMENT,
        fallback=Selection.LEAST_LOADED,
        maximum=MOST_PER_OWNER,
    )
    create_policy(
        actor=admin,
        name="VIP 群：由会员服务部接手",
        kind=CommunityKind.VIP,
        selection=Selection.FIXED,
        receivers=[(staff["su.wan"], None), (staff["tang.yi"], None)],
    )
    create_policy(
        actor=admin,
        name="地区群：按地区指定",
        value=founded.values["region:east"],
        selection=Selection.BY_CLASSIFICATION,
        fallback=Selection.SAME_DEPARTMENT,
        receivers=[(staff["gu.qiao"], east), (staff["he.jiahao"], south)],
    )
    create_policy(
        actor=admin,
        name="客户：负担最轻的同事",
        subject=Subject.CUSTOMER,
        selection=Selection.LEAST_LOADED,
    )
    return 4


def let_people_leave(founded: Founded, corp: Corp) -> int:
    """How many cases there are now. Nothing is posted meanwhile."""
    corp.outbox.hold()
    finished = leave(founded, corp, GONE)
    corp.refuse_transfers(GONE.userid, 1)
    corp.clock.advance(DAY)
    hear(founded, corp)
    look(founded)
    push(founded)
    move_back(finished, by=GONE.ago)
    running = leave(founded, corp, GOING)
    corp.clock.set(datetime.now(UTC))
    learn_clock(founded.connection)
    tell_both(founded)
    move_back(running, by=GOING.ago)
    ask_for_one_chat(founded)
    corp.outbox.release()
    return 2


def leave(founded: Founded, corp: Corp, leaver: Leaver) -> ResignationCase:
    """Up to where customers have a day to say no."""
    corp.clock.set(founded.now - leaver.ago)
    arrive(founded, corp, leaver)
    corp.resign_staff(leaver.userid)
    hear(founded, corp)
    push(founded)
    case = ResignationCase.objects.get(staff__external_id=leaver.userid)
    approve_case(case.pk, actor=founded.admin)
    run_due_transfers()
    advance_syncs()
    corp.clock.advance(corp.settings.inheritance_seconds)
    look(founded)
    push(founded)
    return case


def arrive(founded: Founded, corp: Corp, leaver: Leaver) -> None:
    """They have been here for a while, and the platform shows what they have."""
    department = founded.staff[leaver.department_of].department
    assert department is not None
    made = corp.add_busy_staff(
        leaver.userid,
        leaver.name,
        department=int(department.external_id),
        chats=leaver.chats,
        customers=leaver.customers,
        days=HERE_FOR,
    )
    for kind, ids in (
        (ReadKind.STAFF, [leaver.userid]),
        (ReadKind.CHAT, made["groups"]),
        (ReadKind.CUSTOMER, made["customers"]),
    ):
        request_reads(founded.connection, kind, ids)
        read(founded)


# --- What the workers would do, at once -----------------------------------------------------------


def hear(founded: Founded, corp: Corp) -> None:
    for callback in corp.outbox.take():
        deliver(founded, callback)
    process_waiting()


def push(founded: Founded) -> None:
    cases = ResignationCase.objects.open().filter(enterprise=founded.enterprise)
    cases.update(due_at=Now())
    advance_cases()


def look(founded: Founded) -> None:
    """What the platform has done: asked for, read, and believed."""
    items = TransferItem.objects.filter(enterprise=founded.enterprise, state=ItemState.ACCEPTED)
    for subject in (Subject.CHAT, Subject.CUSTOMER):
        items.filter(subject=subject).update(due_at=Now())
        run_due_transfers()
        read(founded)
        if subject == Subject.CHAT:
            items.filter(subject=subject).update(due_at=Now())
            run_due_transfers()


def read(founded: Founded) -> None:
    wanted = ReadRequest.objects.filter(connection=founded.connection)
    wanted.update(due_at=Now(), ripe_at=Now())  # the simulator shows what it told at once
    read_waiting()


def tell_both(founded: Founded) -> None:
    TransferNotice.objects.filter(transfer__enterprise=founded.enterprise).update(due_at=Now())
    send_due_notices()


# --- Dates ----------------------------------------------------------------------------------------


def move_back(case: ResignationCase, *, by: timedelta) -> None:
    """Our own dates; the platform's are right already."""
    cases = ResignationCase.objects.filter(pk=case.pk)
    cases.update(opened_at=F("opened_at") - by, closed_at=F("closed_at") - by + LATER)
    transfers = OwnershipTransfer.objects.filter(case=case)
    transfers.update(
        created_at=F("created_at") - by,
        preflighted_at=F("preflighted_at") - by,
        submitted_at=F("submitted_at") - by,
        approved_at=F("approved_at") - by,
        closed_at=F("closed_at") - by + LATER,
    )
    notices = TransferNotice.objects.filter(transfer__case=case)
    notices.update(created_at=F("created_at") - by, sent_at=F("sent_at") - by)


def ask_for_one_chat(founded: Founded) -> None:
    """Somebody goes on leave; it waits for somebody else to approve."""
    chat = GroupChat.objects.filter(community=founded.communities["corgi"]).order_by("pk")[0]
    transfer = draft_transfer(
        actor=founded.users["yunying"],
        chats=[chat],
        receivers=[founded.staff["luo.qingqing"]],
        reason="何嘉豪休假两个月，请罗青青代管。",
    )
    submit_transfer(transfer.pk, actor=founded.users["yunying"])
