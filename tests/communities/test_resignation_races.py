"""A case is listed once and closed once, whoever works on it at the same time."""

from datetime import timedelta
from functools import partial

import pytest
from django.db.models import F

from communities.models import ResignationCase, TransferItem
from communities.rules.transfers import CaseStatus, ItemState
from communities.services.resignation.claims import cases_are_due
from communities.services.resignation.resigning import approve_case, open_case, replan_case
from communities.services.resignation.sweeps import AGAIN, advance_cases, gather_left_behind
from communities.services.transfers.items import waive_items
from scrm.accounts.models import AuditEvent, Staff
from scrm.accounts.services.staff import deactivate_staff, reactivate_staff
from scrm.shared.clock import database_now
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState
from tests.communities.transfer_worlds import Office, at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def office():
    office = Office("赵敏", "周泽")
    WecomConnection.objects.update(state=ConnectionState.DRAFT)
    return office


def due():
    ResignationCase.objects.open().update(due_at=database_now() - timedelta(seconds=1), token=None)


def test_ten_workers_and_a_person_who_replans_list_everything_once(office):
    chats = [office.chat() for _ in range(5)]
    office.leave(office.giver)
    case = ResignationCase.objects.get()
    workers = [partial(advance_cases, limit=5) for _ in range(10)]
    at_once(*workers, *(partial(replan_case, case.pk, actor=office.boss) for _ in range(5)))
    due()
    advance_cases()

    case.refresh_from_db()
    assert case.status == CaseStatus.AWAITING_APPROVAL
    listed = case.transfer.items.values_list("chat", "state")
    assert sorted(listed) == [(chat.pk, ItemState.PENDING) for chat in chats]


def test_a_case_is_opened_once_however_many_ways_lead_to_it(office):
    office.chat()
    at_once(
        *(partial(deactivate_staff, office.giver.pk, actor=None) for _ in range(4)),
        *(partial(open_case, office.giver.pk, actor=office.boss) for _ in range(4)),
    )
    assert ResignationCase.objects.count() == 1

    ResignationCase.objects.update(status=CaseStatus.CLOSED)
    at_once(*(gather_left_behind for _ in range(6)))
    assert ResignationCase.objects.open().count() == 1


def test_what_is_found_while_a_case_closes_is_in_the_case_or_in_the_next_one(office):
    """A case of one chat; the chat is given up while a worker finds another one."""
    for _ in range(2):
        first = office.chat()
        office.leave(office.giver)
        advance_cases()
        case = ResignationCase.objects.open().get(staff=office.giver)
        approve_case(case.pk, actor=office.boss)
        late = office.chat()
        due()
        give_up = partial(waive_items, case.transfer.pk, reason="不要了", actor=office.author)
        at_once(give_up, advance_cases)
        gather_left_behind()
        due()
        advance_cases()

        case = ResignationCase.objects.open().get(staff=office.giver)
        assert TransferItem.objects.get(chat=late, transfer__case=case).state in {
            ItemState.PENDING,
            ItemState.QUEUED,
        }
        assert TransferItem.objects.get(chat=first).state == ItemState.WAIVED
        office.giver = office.colleague("下一位")


def test_whoever_leaves_and_is_back_while_workers_are_at_it_ends_one_way(office):
    for _ in range(3):
        office.chat()
    office.leave(office.giver)
    at_once(
        *(partial(advance_cases, limit=3) for _ in range(4)),
        partial(reactivate_staff, office.giver.pk, actor=None),
        *(partial(advance_cases, limit=3) for _ in range(4)),
    )
    due()
    advance_cases()

    case = ResignationCase.objects.get()
    assert case.status == CaseStatus.CANCELLED
    assert Staff.objects.get(pk=office.giver.pk).is_active
    assert not TransferItem.objects.holding().exists()
    assert AuditEvent.objects.filter(verb="cancel_case").count() == 1


def test_the_sweep_moves_every_stuck_case_and_none_that_is_a_second_too_young(office):
    stuck = [office.colleague(f"走{n}") for n in range(6)]
    young = [office.colleague(f"刚{n}") for n in range(6)]
    for each in (*stuck, *young):
        office.leave(each)
    ResignationCase.objects.filter(staff__in=stuck).update(due_at=database_now() - AGAIN)
    later = database_now() + timedelta(seconds=60)
    ResignationCase.objects.filter(staff__in=young).update(due_at=later)

    at_once(partial(advance_cases, limit=50), partial(advance_cases, limit=50))

    assert not cases_are_due()
    cases = ResignationCase.objects.annotate(who=F("staff"))
    assert set(cases.filter(status=CaseStatus.CLOSED).values_list("who", flat=True)) == {
        each.pk for each in stuck
    }
    assert set(cases.open().values_list("due_at", flat=True)) == {later}
