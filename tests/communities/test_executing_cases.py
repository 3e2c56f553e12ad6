"""What a worker does about receivers who are gone, and about communities."""

import pytest

from communities.models import OwnershipTransfer
from communities.rules.transfers import (
    CaseStatus,
    ItemState,
    Route,
    Selection,
    Subject,
    TransferStatus,
)
from communities.services.transfers.executing import run_due_transfers, transfers_are_due
from scrm.accounts.models import AuditEvent
from tests.communities.executing_worlds import Company, items_of, told
from tests.communities.factories import CommunityFactory
from tests.communities.transfer_factories import ResignationCaseFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def company():
    return Company()


def case_of(company):
    company.corp.resign_staff("giver")
    company.giver.is_active = False
    company.giver.platform_status = "left"
    company.giver.save()
    return ResignationCaseFactory(staff=company.giver, status=CaseStatus.RUNNING)


def leave(staff):
    staff.is_active = False
    staff.save()


def test_an_approved_case_finds_another_receiver_by_itself(company):
    chats = [company.chat() for _ in range(2)]
    transfer = company.transfer(chats, route=Route.RESIGNED, case=case_of(company))
    leave(company.receiver)

    company.run()

    assert told(transfer) == [("accepted", "")] * 2
    assert {item.receiver for item in items_of(transfer)} == {company.other}
    company.wait(company.corp.settings.inheritance_seconds + 1)
    company.look()
    assert told(transfer) == [("verified", "")] * 2
    assert {company.owner_of(chat) for chat in chats} == {"other"}


def test_a_receiver_whom_a_person_chose_for_a_case_is_not_replaced(company):
    transfer = company.transfer([company.chat()], route=Route.RESIGNED, case=case_of(company))
    transfer.items.update(selection=Selection.CHOSEN)
    leave(company.receiver)

    company.run()

    assert told(transfer) == [("blocked", "receiver_inactive")]


def test_nobody_left_to_receive_is_said_and_not_tried_again(company):
    transfer = company.transfer([company.chat()], route=Route.RESIGNED, case=case_of(company))
    leave(company.receiver)
    leave(company.other)

    company.run()

    ((state, reason),) = told(transfer)
    assert state == "blocked"
    assert reason in {"no_receiver", "receiver_inactive"}
    assert not transfers_are_due()


# --- communities ----------------------------------------------------------------------------------


def community_items(company, communities, **fields):
    transfer = company.transfer(**fields)
    for community in communities:
        transfer.items.create(
            enterprise=company.enterprise,
            subject=Subject.COMMUNITY,
            community=community,
            giver=company.giver,
            receiver=company.receiver,
            route=Route.INTERNAL,
            state=ItemState.QUEUED,
        )
    return transfer


def test_communities_change_hands_at_once_in_every_role(company):
    owned = CommunityFactory(
        enterprise=company.enterprise, owner=company.giver, backup_owner=company.receiver
    )
    advised = CommunityFactory(
        enterprise=company.enterprise, owner=company.other, adviser=company.giver
    )
    backed = CommunityFactory(
        enterprise=company.enterprise, owner=company.other, backup_owner=company.giver
    )
    transfer = community_items(company, [owned, advised, backed])

    assert transfers_are_due()
    company.run()

    for community in (owned, advised, backed):
        community.refresh_from_db()
    assert (owned.owner, owned.backup_owner) == (company.receiver, None)
    assert (advised.owner, advised.adviser) == (company.other, company.receiver)
    assert (backed.owner, backed.backup_owner) == (company.other, company.receiver)
    assert told(transfer) == [("verified", "")] * 3
    assert OwnershipTransfer.objects.get(pk=transfer.pk).status == TransferStatus.VERIFIED
    event = AuditEvent.objects.get(verb="hand_over_communities")
    assert event.after["count"] == 3
    assert not run_due_transfers()


def test_a_community_is_not_given_to_somebody_who_left(company):
    community = CommunityFactory(enterprise=company.enterprise, owner=company.giver)
    transfer = community_items(company, [community])
    leave(company.receiver)

    company.run()

    assert told(transfer) == [("blocked", "receiver_inactive")]
    community.refresh_from_db()
    assert community.owner == company.giver
