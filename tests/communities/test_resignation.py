"""The case of somebody who has left: opened, listed, planned, carried out, closed."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from communities.errors import CaseIsClosed, CaseIsNotPlanned, CaseIsOpen
from communities.models import (
    Community,
    OwnershipTransfer,
    ResignationCase,
    TransferItem,
    TransferNotice,
)
from communities.rules.resignation import days_needed
from communities.rules.status import CommunityStatus
from communities.rules.transfers import (
    CaseCause,
    CaseStatus,
    ItemState,
    Subject,
    TransferStatus,
)
from communities.services.following import dissolve_followed_chat
from communities.services.founding import edit_community
from communities.services.ownership.owning import follow_owners
from communities.services.resignation.claims import LEASE, LeaseLost, claim_case, keep, let_go
from communities.services.resignation.resigning import (
    approve_case,
    case_progress,
    open_case,
    reject_case,
    replan_case,
)
from communities.services.resignation.sweeps import (
    advance_case,
    advance_cases,
    gather_left_behind,
    warn_of_deadlines,
)
from communities.services.transfers.items import waive_items
from communities.services.transfers.submitting import cancel_transfer
from scrm.accounts.models import AuditEvent, OperatorTask, Staff, StaffPlatformStatus
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.rules.roles import Role
from scrm.accounts.services.departments import delete_department, edit_department
from scrm.accounts.services.observing_departments import forget_department
from scrm.accounts.services.observing_staff import StaffSeen, observe_staff, staff_left
from scrm.accounts.services.staff import deactivate_staff, reactivate_staff
from scrm.shared.clock import database_now
from scrm.shared.errors import DomainError
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState
from tests.accounts.factories import (
    ApiKeyFactory,
    DepartmentFactory,
    EnterpriseFactory,
    StaffFactory,
    UserFactory,
)
from tests.communities.transfer_worlds import Office, platform_says
from tests.members.factories import FollowFactory, MemberFactory


@pytest.fixture
def office(db):
    """Nobody can be asked: the company was not connected yet."""
    office = Office("赵敏", "周泽")
    WecomConnection.objects.update(state=ConnectionState.DRAFT)
    return office


def case_of(staff):
    return ResignationCase.objects.get(staff=staff)


def advance(case=None):
    """As the sweep does once it is due."""
    ResignationCase.objects.open().update(due_at=database_now())
    assert advance_cases(limit=50) is False
    if case is not None:
        case.refresh_from_db()
    return case


def customers(office, count, **fields):
    return [
        FollowFactory(
            member=MemberFactory(enterprise=office.enterprise),
            staff=office.giver,
            channel_account=office.account,
            **fields,
        )
        for _ in range(count)
    ]


def read(chat, owner, **fields):
    """A reading shows this owner."""
    now, before = database_now(), {chat.pk: chat.read_at}
    chat.owner, chat.owner_userid = owner, fields.pop("userid", owner and owner.external_id)
    chat.read_at = now
    for name, value in fields.items():
        setattr(chat, name, value)
    with transaction.atomic():
        chat.save()
        follow_owners([chat], read_at=now, formerly_read=before)


def finish(transfer):
    """The platform has done everything, and readings show it."""
    for item in transfer.items.filter(subject=Subject.CHAT).select_related("chat", "receiver"):
        read(item.chat, item.receiver)
    return platform_says(transfer, ItemState.VERIFIED)


@pytest.fixture
def planned(office):
    """Two chats and a customer of somebody who has left wait for approval."""
    for _ in range(2):
        office.chat()
    customers(office, 1)
    office.leave(office.giver)
    return advance(case_of(office.giver))


@pytest.fixture
def running(office, planned):
    approve_case(planned.pk, actor=office.boss)
    planned.refresh_from_db()
    return planned


# --- opened ---------------------------------------------------------------------------------------


def test_a_case_is_opened_in_the_transaction_that_takes_the_access_away(office):
    user = UserFactory(enterprise=office.enterprise, staff=office.giver, role=Role.OPERATOR)
    key = ApiKeyFactory(user=user)
    with transaction.atomic():
        deactivate_staff(office.giver.pk, actor=office.boss)
        transaction.set_rollback(True)
    user.refresh_from_db()
    assert user.is_active
    assert not ResignationCase.objects.exists()

    deactivate_staff(office.giver.pk, actor=office.boss)

    user.refresh_from_db()
    key.refresh_from_db()
    case = case_of(office.giver)
    assert (user.is_active, key.revoked_at is None) == (False, False)
    assert (case.status, case.cause) == (CaseStatus.OPENED, CaseCause.OPERATOR)
    assert case.opened_by == office.boss
    assert AuditEvent.objects.filter(verb="open_case", actor=office.boss).count() == 1


def test_the_directory_opens_a_case_too_by_event_and_by_sync(office):
    staff_left(office.enterprise.pk, [office.giver.external_id.upper()])
    other = office.receivers[0]
    seen = StaffSeen(other.external_id, status=StaffPlatformStatus.LEFT)
    observe_staff(office.enterprise.pk, [seen], read_at=database_now())
    observe_staff(office.enterprise.pk, [seen], read_at=database_now())

    cases = ResignationCase.objects.order_by("pk")
    assert [case.staff for case in cases] == [office.giver, other]
    assert {(case.cause, case.opened_by) for case in cases} == {(CaseCause.PLATFORM, None)}


def test_open_case_takes_the_access_away_from_whoever_has_it_still(office):
    user = UserFactory(enterprise=office.enterprise, staff=office.giver, role=Role.OPERATOR)

    case = open_case(office.giver.pk, actor=office.boss)

    user.refresh_from_db()
    assert not user.is_active
    assert case.opened_by == office.boss
    with pytest.raises(CaseIsOpen):
        open_case(office.giver.pk, actor=office.boss)
    gone = StaffFactory(enterprise=office.enterprise, is_active=False)
    assert open_case(gone.pk, actor=office.boss).staff == gone


def test_the_colleagues_of_others_have_no_case_here(office):
    stranger = StaffFactory(enterprise=EnterpriseFactory())
    with pytest.raises(Staff.DoesNotExist):
        open_case(stranger.pk, actor=office.boss)
    case = open_case(office.giver.pk, actor=office.boss)
    for verb in (replan_case, approve_case):
        with pytest.raises(ResignationCase.DoesNotExist):
            verb(case.pk, actor=UserFactory())


# --- listed and planned ---------------------------------------------------------------------------


def test_everything_of_theirs_is_listed_planned_and_submitted(office):
    chats = [office.chat() for _ in range(2)]
    office.chat(owner=office.receivers[0])
    owned = office.community()
    advised = office.community(owner=office.receivers[0], adviser=office.giver)
    backed = office.community(owner=office.receivers[0], backup_owner=office.giver)
    over = office.community()
    Community.objects.filter(pk=over.pk).update(status=CommunityStatus.ARCHIVED)
    follows = customers(office, 3)
    customers(office, 1, is_mutual=False)
    office.leave(office.giver)

    case = advance(case_of(office.giver))

    items = TransferItem.objects.filter(transfer__case=case)
    assert set(items.values_list("giver", flat=True)) == {office.giver.pk}
    assert set(items.exclude(chat=None).values_list("chat", flat=True)) == {c.pk for c in chats}
    assert set(items.exclude(community=None).values_list("community", flat=True)) == {
        owned.pk,
        advised.pk,
        backed.pk,
    }
    assert set(
        items.filter(subject=Subject.CUSTOMER).values_list("external_userid", flat=True)
    ) == {each.external_userid for each in follows}
    assert set(items.values_list("state", flat=True)) == {ItemState.PENDING}
    assert (case.status, case.listed_at is None) == (CaseStatus.AWAITING_APPROVAL, False)
    assert case.transfer.created_by is None
    assert OperatorTask.objects.open().filter(kind=TaskKind.TRANSFER_APPROVAL).count() == 1


def test_whoever_leaves_with_nothing_has_a_case_that_closes_by_itself(office):
    office.leave(office.giver)

    case = advance(case_of(office.giver))

    assert (case.status, case.due_at) == (CaseStatus.CLOSED, None)
    assert not OwnershipTransfer.objects.exists()
    assert case_progress(case).total == 0


def test_what_is_found_late_is_added_and_goes_on_under_the_same_approval(office, running):
    late = office.chat(owner=office.giver)

    advance(running)

    assert running.status == CaseStatus.RUNNING
    item = TransferItem.objects.get(chat=late)
    assert (item.transfer, item.state) == (running.transfer, ItemState.QUEUED)


def test_a_pass_without_news_writes_nothing(office, running):
    before = AuditEvent.objects.count()
    moved = list(TransferItem.objects.order_by("pk").values())

    advance(running)

    assert AuditEvent.objects.count() == before
    assert list(TransferItem.objects.order_by("pk").values()) == moved


def test_whoever_could_not_receive_yesterday_may_today(office):
    Staff.objects.filter(pk__in=[each.pk for each in office.receivers]).update(
        can_use_customer_group=False
    )
    office.chat()
    office.leave(office.giver)
    case = advance(case_of(office.giver))
    item = TransferItem.objects.get()
    assert (item.state, case.status) == (ItemState.BLOCKED, CaseStatus.RUNNING)
    assert OperatorTask.objects.open().filter(kind=TaskKind.TRANSFER_TROUBLE).count() == 1

    Staff.objects.filter(pk=office.receiver.pk).update(can_use_customer_group=True)
    advance(case)

    item.refresh_from_db()
    assert (item.state, item.receiver) == (ItemState.PENDING, office.receiver)


def test_a_plan_that_was_sent_back_waits_until_somebody_wants_another(office, planned):
    reject_case(planned.pk, reason="不要都给一个人", actor=office.boss)
    advance(planned)
    assert planned.status == CaseStatus.AWAITING_APPROVAL
    assert planned.transfer.status == TransferStatus.REJECTED

    replan_case(planned.pk, actor=office.author)
    advance(planned)

    planned.transfer.refresh_from_db()
    assert planned.transfer.status == TransferStatus.AWAITING_APPROVAL
    assert planned.place == {}


def test_a_case_can_be_approved_once_it_is_planned(office):
    office.chat()
    office.leave(office.giver)
    case = case_of(office.giver)
    with pytest.raises(CaseIsNotPlanned):
        approve_case(case.pk, actor=office.boss)
    advance(case)
    assert approve_case(case.pk, actor=office.boss).status == CaseStatus.RUNNING
    with pytest.raises(DomainError):
        approve_case(case.pk, actor=office.boss)


# --- closed ---------------------------------------------------------------------------------------


def test_a_case_closes_only_when_every_item_is_explained(office, running):
    chat, other, customer = running.transfer.items.order_by("pk")
    transfer = running.transfer
    platform_says(transfer, ItemState.VERIFIED, chat)
    read(chat.chat, chat.receiver)
    platform_says(transfer, ItemState.REFUSED, customer)
    platform_says(transfer, ItemState.FAILED, other)
    running.refresh_from_db()
    assert running.status == CaseStatus.RUNNING

    waive_items(transfer.pk, item_ids=[other.pk], reason="群已没有人", actor=office.author)

    running.refresh_from_db()
    assert running.status == CaseStatus.CLOSED
    assert running.closed_at is not None
    assert AuditEvent.objects.get(verb="close_case").after["count"] == 3
    for verb in (replan_case, approve_case):
        with pytest.raises(CaseIsClosed):
            verb(running.pk, actor=office.boss)


def test_a_case_whose_list_is_not_complete_stays_open(office, running):
    ResignationCase.objects.update(listed_at=None)
    finish(running.transfer)
    running.refresh_from_db()
    assert running.status == CaseStatus.RUNNING

    advance(running)
    assert running.status == CaseStatus.CLOSED


@pytest.mark.parametrize("role", ["owner", "adviser", "backup_owner"])
def test_what_appears_beside_the_list_keeps_a_case_open(office, running, role):
    late = office.community(**{"owner": office.receiver, role: office.giver})
    finish(running.transfer)
    running.refresh_from_db()
    assert running.status == CaseStatus.RUNNING

    advance(running)
    item = TransferItem.objects.get(community=late)
    assert item.state == ItemState.QUEUED


def test_what_a_person_has_seen_to_by_hand_is_explained(office):
    """A chat and a community were given to somebody, a chat was dissolved, one is nobody's."""
    Staff.objects.filter(pk__in=[each.pk for each in office.receivers]).update(
        can_use_customer_group=False
    )
    given, dissolved, nobodys = (office.chat() for _ in range(3))
    community = office.community()
    office.leave(office.giver)
    case = advance(case_of(office.giver))
    read(given, office.receiver)
    dissolve_followed_chat(dissolved, at=database_now(), exact=True)
    read(nobodys, None, userid="stranger")
    edit_community(community.pk, actor=office.boss, owner=office.receiver)

    advance(case)

    items = TransferItem.objects.all()
    assert dict(items.exclude(chat=None).values_list("chat", "state")) == {
        given.pk: ItemState.VERIFIED,
        dissolved.pk: ItemState.GONE,
        nobodys.pk: ItemState.BLOCKED,
    }
    item = items.get(community=community)
    assert (item.state, item.reason) == (ItemState.VERIFIED, "owner_changed")
    assert not TransferNotice.objects.exists()
    assert case.status == CaseStatus.RUNNING
    waive_items(case.transfer.pk, reason="已核对", actor=office.author)
    case.refresh_from_db()
    assert case.status == CaseStatus.CLOSED


def test_the_transfer_of_a_case_is_not_simply_withdrawn(office, running):
    with pytest.raises(CaseIsOpen):
        cancel_transfer(running.transfer.pk, reason="算了", actor=office.author)
    assert not TransferItem.objects.filter(state=ItemState.CANCELLED).exists()


# --- back again -----------------------------------------------------------------------------------


def test_whoever_is_back_keeps_what_was_not_sent(office, running):
    sent, queued, customer = running.transfer.items.order_by("pk")
    platform_says(running.transfer, ItemState.ACCEPTED, sent)

    reactivate_staff(office.giver.pk, actor=office.boss)

    running.refresh_from_db()
    running.transfer.refresh_from_db()
    assert (running.status, running.due_at) == (CaseStatus.CANCELLED, None)
    assert running.transfer.status == TransferStatus.CANCELLED
    for item in (sent, queued, customer):
        item.refresh_from_db()
    assert (sent.state, queued.state, customer.state) == (
        ItemState.ACCEPTED,
        ItemState.CANCELLED,
        ItemState.CANCELLED,
    )
    assert (queued.reason, queued.closed_by) == ("staff_is_back", office.boss)
    assert not OperatorTask.objects.open().exists()


def test_whoever_leaves_again_has_another_case(office, planned):
    reactivate_staff(office.giver.pk, actor=None)
    deactivate_staff(office.giver.pk, actor=None)

    again = ResignationCase.objects.open().get(staff=office.giver)
    advance(again)

    assert again != planned
    states = again.transfer.items.values_list("state", flat=True)
    assert list(states) == [ItemState.PENDING] * 3


def test_whoever_is_back_before_anything_was_found_has_no_case_left(office):
    office.leave(office.giver)
    reactivate_staff(office.giver.pk, actor=office.boss)
    assert case_of(office.giver).status == CaseStatus.CANCELLED
    reactivate_staff(office.giver.pk, actor=office.boss)
    assert ResignationCase.objects.count() == 1


# --- overlooked -----------------------------------------------------------------------------------


def leave_silently(*people):
    """As before there were cases."""
    Staff.objects.filter(pk__in=[each.pk for each in people]).update(is_active=False)


def test_inactive_people_who_own_something_still_get_a_case(office):
    with_chat, with_community, with_customer, with_nothing = (
        office.colleague(name) for name in ("一", "二", "三", "四")
    )
    office.chat(owner=with_chat)
    office.chat(owner=with_nothing, state="dissolved", dissolved_at=timezone.now())
    office.community(adviser=with_community)
    FollowFactory(
        member=MemberFactory(enterprise=office.enterprise),
        staff=with_customer,
        channel_account=office.account,
    )
    leave_silently(with_chat, with_community, with_customer, with_nothing)

    assert gather_left_behind() == 3
    assert gather_left_behind() == 0

    cases = ResignationCase.objects.order_by("staff")
    assert [case.staff for case in cases] == [with_chat, with_community, with_customer]
    assert {case.cause for case in cases} == {CaseCause.FOUND}


def test_what_was_given_up_with_a_reason_is_not_found_again(office, running):
    waive_items(running.transfer.pk, reason="都不要了", actor=office.author)
    running.refresh_from_db()
    assert running.status == CaseStatus.CLOSED
    assert gather_left_behind() == 0

    customers(office, 1)
    assert gather_left_behind() == 1


def test_resigned_owners_whom_nobody_knows_become_known(office):
    WecomConnection.objects.update(state=ConnectionState.CONNECTED)
    read(office.chat(), None, userid="Wang.Fei", platform_status="owner_resigned")
    gather_left_behind()
    gather_left_behind()

    staff = Staff.objects.get(external_id="Wang.Fei")
    assert (staff.is_active, staff.platform_status) == (False, StaffPlatformStatus.LEFT)


# --- the year -------------------------------------------------------------------------------------


def test_a_case_warns_once_thirty_days_before_the_year_is_over(office, running):
    left_at = database_now() - timedelta(days=335)
    ResignationCase.objects.update(left_at=left_at + timedelta(minutes=5))
    assert warn_of_deadlines() == 0
    ResignationCase.objects.update(left_at=left_at)

    assert [warn_of_deadlines(), warn_of_deadlines()] == [1, 0]

    task = OperatorTask.objects.open().get(kind=TaskKind.RESIGNATION_DUE)
    assert (task.object_id, task.details) == (running.pk, {"count": 3})
    assert task.due_at == left_at + timedelta(days=365)
    finish(running.transfer)
    assert not OperatorTask.objects.open().filter(kind=TaskKind.RESIGNATION_DUE).exists()


def test_the_year_goes_by_the_clock_of_the_platform(office, running):
    WecomConnection.objects.update(platform="simulator", clock_ahead=timedelta(days=336))
    assert warn_of_deadlines() == 1


@pytest.mark.parametrize(
    ("chats", "left", "days"),
    [(0, 300, 0), (1, 300, 1), (300, 300, 1), (650, 300, 3), (650, 0, 4), (50, 0, 2)],
)
def test_days_are_counted_by_what_the_platform_allows_each_day(chats, left, days):
    assert days_needed(chats, left=left) == days


def test_progress_is_told_in_a_constant_number_of_queries(
    office, running, django_assert_max_num_queries
):
    with django_assert_max_num_queries(6):
        progress = case_progress(running)
    assert progress.counts == {
        "chat": {"queued": 2},
        "customer": {"queued": 1},
        "community": {},
    }
    assert (progress.total, progress.explained, progress.open) == (3, 0, 3)
    assert progress.quota_days == 1
    assert progress.deadline == running.left_at + timedelta(days=365)


# --- several workers ------------------------------------------------------------------------------


def test_a_case_is_in_one_pair_of_hands(office):
    office.chat()
    office.leave(office.giver)
    case, token = claim_case()
    assert claim_case() is None

    ResignationCase.objects.update(due_at=database_now() - timedelta(seconds=1))
    again, other = claim_case()
    assert (again.pk, again.attempt_count) == (case.pk, 1)

    with pytest.raises(LeaseLost), transaction.atomic():
        keep(case, token)
    with pytest.raises(LeaseLost):
        let_go(case, token, wait=LEASE)
    advance_case(case, token)
    assert not TransferItem.objects.exists()
    advance_case(again, other)
    assert TransferItem.objects.count() == 1


# --- departments ----------------------------------------------------------------------------------


def test_nothing_is_orphaned_when_a_department_is_deleted_or_moved(office):
    top = DepartmentFactory(enterprise=office.enterprise, external_id="1")
    team = DepartmentFactory(enterprise=office.enterprise, external_id="2", parent=top)
    elsewhere = DepartmentFactory(enterprise=office.enterprise, external_id="3")
    Staff.objects.filter(pk=office.giver.pk).update(department=team)
    office.receiver.department = elsewhere
    office.receiver.save(update_fields=["department"])
    office.chat()
    office.leave(office.giver)
    case = case_of(office.giver)

    assert not forget_department(office.enterprise.pk, "2")
    with pytest.raises(DomainError):
        delete_department(team.pk, actor=office.boss)
    edit_department(team.pk, actor=office.boss, parent=elsewhere)
    advance(case)

    head = UserFactory(
        enterprise=office.enterprise,
        staff=office.receiver,
        role=Role.OPERATOR,
        data_scope="department_tree",
    )
    assert list(ResignationCase.objects.visible_to(head)) == [case]
    Staff.objects.filter(pk=office.giver.pk).update(department=None)
    assert forget_department(office.enterprise.pk, "2")
    assert list(ResignationCase.objects.visible_to(office.boss)) == [case]
    assert TransferItem.objects.get().state == ItemState.PENDING
