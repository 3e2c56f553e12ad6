"""What the platform knows of somebody who has left, and we may not."""

import time
from datetime import timedelta

import pytest

from communities.models import GroupChat, ResignationCase, TransferItem
from communities.rules.transfers import CaseCause, CaseStatus, ItemState, Subject
from communities.services.resignation.claims import LeaseLost, claim_case
from communities.services.resignation.listing import Listing, ask_platform, working_connections
from communities.services.resignation.resigning import approve_case
from communities.services.resignation.sweeps import advance_cases, gather_left_behind
from members.models import Follow
from scrm.accounts.models import OperatorTask, Staff
from scrm.accounts.services.staff import deactivate_staff
from scrm.shared.clock import database_now
from scrm.wecom.models import SyncRun, WecomConnection
from scrm.wecom.rules.status import ConnectionState, SyncScope, SyncState
from scrm.wecom.services.advancing import advance_syncs
from scrm.wecom.services.processing import process_waiting
from scrm.wecom.services.rereading import read_waiting
from scrm.wecom.services.syncing import start_sync
from tests.accounts.factories import UserFactory
from tests.communities.executing_worlds import Company
from tests.communities.factories import CommunityFactory
from tests.members.factories import FollowFactory, MemberFactory
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db
UNASSIGNED = "externalcontact/get_unassigned_list"


@pytest.fixture
def company():
    """林乔 owns two groups and has five customers, three of whom nobody has read."""
    company = simulated_corp()
    for userid, name in (("lin.qiao", "林乔"), ("zhao.min", "赵敏")):
        company.corp.add_staff(userid, name)
    for number in range(2):
        company.corp.create_group("lin.qiao", f"群{number}", members=1)
    company.customers = [company.corp.add_customer(f"客{n}", staff="lin.qiao") for n in range(2)]
    company.corp.outbox.take()
    start_sync(company.connection.pk, scope=SyncScope.FULL, actor=None)
    advance_syncs()
    company.customers += [company.corp.add_customer(f"客{n}", staff="lin.qiao") for n in range(3)]
    company.corp.outbox.take()
    return company


def resign(company):
    company.corp.resign_staff("lin.qiao")
    company.deliver()
    process_waiting()
    return ResignationCase.objects.get()


def advance(case):
    ResignationCase.objects.filter(pk=case.pk).update(due_at=database_now())
    advance_cases(limit=20)
    case.refresh_from_db()
    return case


def found(case, subject):
    return TransferItem.objects.filter(transfer__case=case, subject=subject)


def test_the_platforms_list_is_read_and_then_what_a_sync_of_groups_brought(company):
    case = resign(company)
    assert (case.cause, case.status) == (CaseCause.PLATFORM, CaseStatus.OPENED)

    advance(case)

    userids = set(found(case, Subject.CUSTOMER).values_list("external_userid", flat=True))
    assert userids == set(company.customers)
    assert found(case, Subject.CHAT).count() == 2
    assert set(case.transfer.items.values_list("state", flat=True)) == {ItemState.PENDING}
    assert (case.status, case.listed_at) == (CaseStatus.AWAITING_APPROVAL, None)
    sync = SyncRun.objects.latest("pk")
    assert (sync.scope, sync.state) == (SyncScope.GROUPS, SyncState.RUNNING)
    assert case.left_at.timestamp() == company.corp.staff["lin.qiao"].resigned_at

    unread = company.corp.groups[company.corp.create_group("zhao.min", "漏掉的群", members=1)]
    unread.owner, unread.status = "lin.qiao", 1
    advance_syncs()
    advance(case)

    assert case.listed_at is not None
    assert SyncRun.objects.latest("pk") == sync
    late = GroupChat.objects.get(external_id=unread.chat_id)
    assert found(case, Subject.CHAT).get(chat=late).state == ItemState.PENDING


def test_a_page_that_was_written_is_not_asked_for_again(company):
    for number in range(1000):
        company.corp.add_customer(f"更多{number}", staff="lin.qiao")
    company.corp.outbox.take()
    resign(company)
    case, token = claim_case()
    listing = Listing.of(case, token)
    connections = working_connections(case)

    assert not ask_platform(listing, connections, ends_at=time.monotonic())
    assert found(case, Subject.CUSTOMER).count() == 1000

    ResignationCase.objects.update(due_at=database_now())
    successor, other = claim_case()
    assert successor.attempt_count == 1
    with pytest.raises(LeaseLost):
        ask_platform(listing, connections, ends_at=time.monotonic())
    assert found(case, Subject.CUSTOMER).count() == 1000
    rest = Listing.of(successor, other)
    assert ask_platform(rest, connections, ends_at=time.monotonic())
    assert found(case, Subject.CUSTOMER).count() == 1005


def test_a_platform_that_refuses_does_not_hold_up_what_is_known(company):
    case = resign(company)
    company.corp.faults.refuse(UNASSIGNED, 48002, times=-1)

    advance(case)

    assert found(case, Subject.CHAT).count() == 2
    assert (case.status, case.listed_at) == (CaseStatus.AWAITING_APPROVAL, None)
    assert case.trouble
    assert case.due_at > database_now() + timedelta(seconds=20)

    company.corp.faults.troubles.clear()
    advance_syncs()
    advance(case)
    assert (case.trouble, case.attempt_count) == ("", 0)
    assert found(case, Subject.CUSTOMER).count() == 5


def test_a_sync_that_failed_is_asked_for_again(company):
    case = advance(resign(company))
    SyncRun.objects.running().update(state=SyncState.FAILED, finished_at=database_now())
    advance(case)
    assert case.listed_at is None
    assert SyncRun.objects.running().count() == 1


def test_a_company_that_is_paused_is_not_asked(company):
    case = resign(company)
    WecomConnection.objects.update(state=ConnectionState.PAUSED)
    company.corp.faults.refuse("*", 48002, times=-1)

    advance(case)

    assert (case.trouble, case.listed_at is None) == ("", False)
    blocked = found(case, Subject.CHAT).values_list("state", "reason")
    assert set(blocked) == {(ItemState.BLOCKED, "connection_paused")}


def test_somebody_who_left_before_we_came_is_found_by_their_groups(company):
    company.corp.add_staff("wang.fei", "王飞")
    company.corp.create_group("wang.fei", "老群", members=1)
    company.corp.resign_staff("wang.fei")
    company.corp.outbox.take()
    start_sync(company.connection.pk, scope=SyncScope.GROUPS, actor=None)
    advance_syncs()
    assert not Staff.objects.filter(external_id="wang.fei").exists()

    assert gather_left_behind() == 0
    read_waiting()
    assert gather_left_behind() == 1

    case = ResignationCase.objects.get()
    assert (case.staff.external_id, case.cause) == ("wang.fei", CaseCause.FOUND)
    advance(case)
    assert found(case, Subject.CHAT).get().receiver is not None


def test_whom_an_operator_lets_go_is_listed_though_still_on_the_platform(company):
    staff = Staff.objects.get(external_id="lin.qiao")
    deactivate_staff(staff.pk, actor=None)
    case = advance(ResignationCase.objects.get())
    assert found(case, Subject.CUSTOMER).count() == 2
    assert set(found(case, Subject.CHAT).values_list("route", flat=True)) == {"on_job"}


def test_a_case_ends_by_itself_once_the_platform_has_done_everything():
    """Two groups, two customers one of whom refuses, and a community; nobody does anything but
    approve."""
    company = Company()
    for _ in range(2):
        company.chat()
    staying, leaving = company.customer(), company.customer()
    for userid in (staying, leaving):
        FollowFactory(
            member=MemberFactory(enterprise=company.enterprise),
            staff=company.giver,
            channel_account=company.account,
            external_userid=userid,
            began_at=database_now() - timedelta(days=30),
        )
    community = CommunityFactory(enterprise=company.enterprise, owner=company.giver)
    boss = UserFactory(enterprise=company.enterprise)
    company.corp.resign_staff(company.giver.external_id)
    company.simulated.deliver()
    process_waiting()
    case = advance(ResignationCase.objects.get())

    approve_case(case.pk, actor=boss)
    company.run()
    company.corp.refuse_transfer(leaving)
    company.simulated.deliver()
    process_waiting()
    company.wait(25 * 3600)
    company.look(rounds=4)
    advance_syncs()
    advance(case)

    assert dict(case.transfer.items.values_list("external_userid", "state")) == {
        "": ItemState.VERIFIED,
        staying: ItemState.VERIFIED,
        leaving: ItemState.REFUSED,
    }
    assert case.status == CaseStatus.CLOSED
    assert not OperatorTask.objects.open().filter(object_type__startswith="communities").exists()
    assert not GroupChat.objects.filter(owner=company.giver).exists()
    community.refresh_from_db()
    assert community.owner in {company.receiver, company.other}
    assert not Follow.objects.open().filter(staff=company.giver).exists()
    assert gather_left_behind() == 0
