"""Customers have a day to say no: what became of them is asked for, or told by a callback."""

from datetime import timedelta
from uuid import uuid4

import pytest

from communities.models import OwnershipTransfer, TransferItem
from communities.rules.transfer_verdicts import (
    Verdict,
)
from communities.rules.transfers import ItemState, Route, TransferStatus
from communities.services.transfers.claims import write_findings
from communities.services.transfers.executing import transfers_are_due
from communities.services.transfers.sending import send_batch
from scrm.shared.clock import database_now
from scrm.wecom.models import InboundEvent, ReadRequest
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.processing import process_waiting
from tests.communities.executing_worlds import (
    CUSTOMERS,
    CUSTOMERS_RESIGNED,
    RESULT,
    Company,
    items_of,
    told,
)

pytestmark = pytest.mark.django_db
DAY = 86_400


@pytest.fixture
def company():
    return Company()


@pytest.fixture
def customers(company):
    return [company.customer() for _ in range(3)]


def hear(company):
    company.simulated.deliver()
    process_waiting()


def status_of(transfer):
    return OwnershipTransfer.objects.get(pk=transfer.pk).status


def asked_to_be_read():
    return set(
        ReadRequest.objects.filter(kind=ReadKind.CUSTOMER).values_list("external_id", flat=True)
    )


def test_a_hand_over_that_began_is_done_when_the_platform_says_so(company, customers):
    transfer = company.transfer(customers=customers, message="您好，后续由我的同事为您服务。")

    company.run()
    assert told(transfer) == [("accepted", "")] * 3
    for item in items_of(transfer):
        assert timedelta(hours=23) < item.takeover_at - item.sent_at < timedelta(hours=25)
        assert item.due_at <= database_now() + timedelta(hours=1)
    assert status_of(transfer) == TransferStatus.SUCCEEDED

    company.look()
    assert told(transfer) == [("accepted", "")] * 3
    assert not transfers_are_due()

    company.wait(DAY + 10)
    assert transfers_are_due()  # the moved clock wakes what waits for it
    company.run()
    assert told(transfer) == [("verified", "")] * 3
    assert status_of(transfer) == TransferStatus.VERIFIED
    assert asked_to_be_read() == set(customers)
    assert [len(company.hand_overs_of(each)) for each in customers] == [1, 1, 1]


def test_customers_of_who_left_are_inherited(company, customers):
    company.corp.resign_staff("giver")
    transfer = company.transfer(customers=customers, route=Route.RESIGNED)

    company.run()
    company.wait(DAY + 10)
    company.run()

    assert told(transfer) == [("verified", "")] * 3


def test_a_giver_who_left_meanwhile_sends_customers_the_other_way(company, customers):
    company.corp.resign_staff("giver")
    transfer = company.transfer(customers=customers)

    company.run()

    assert told(transfer) == [("accepted", "")] * 3
    assert {item.route for item in items_of(transfer)} == {"resigned"}


def test_a_giver_who_is_still_there_sends_customers_the_usual_way(company, customers):
    transfer = company.transfer(customers=customers, route=Route.RESIGNED)

    company.run()

    assert told(transfer) == [("accepted", "")] * 3
    assert {item.route for item in items_of(transfer)} == {"on_job"}


def test_no_and_full_are_told_by_callbacks_at_once(company, customers):
    transfer = company.transfer(customers=customers)
    company.run()
    company.corp.refuse_transfer(customers[0])
    company.corp.edit_staff("receiver", customer_limit=0)
    hear(company)

    assert told(transfer) == [("refused", "customer_refused"), ("accepted", ""), ("accepted", "")]
    assert asked_to_be_read() == {customers[0]}
    assert InboundEvent.objects.get(change_type="transfer_fail").state == "processed"


def test_no_and_full_are_found_without_callbacks(company, customers):
    transfer = company.transfer(customers=customers)
    company.run()
    company.corp.refuse_transfer(customers[0])
    company.corp.accept_transfer(customers[1])
    company.corp.edit_staff("receiver", customer_limit=1)
    company.wait(DAY + 10)
    company.run()

    assert told(transfer) == [
        ("refused", "customer_refused"),
        ("verified", ""),
        ("failed", "receiver_is_full"),
    ]
    assert status_of(transfer) == TransferStatus.PARTIALLY_SUCCEEDED


def test_a_callback_about_an_older_hand_over_ends_nothing(company, customers):
    transfer = company.transfer(customers=customers[:1])
    company.run()
    company.corp.refuse_transfer(customers[0])
    TransferItem.objects.update(sent_at=database_now() + timedelta(hours=1))
    hear(company)

    assert told(transfer) == [("accepted", "")]
    event = InboundEvent.objects.get(change_type="transfer_fail")
    assert (event.state, event.reason) == ("ignored", "没有经本系统发起的客户转接。")


def test_a_callback_during_a_poll_wins_and_is_not_overwritten(company, customers):
    transfer = company.transfer(customers=customers[:1])
    company.run()
    lease, (item,) = uuid4(), items_of(transfer)
    TransferItem.objects.update(token=lease, due_at=database_now() + timedelta(minutes=1))
    company.corp.refuse_transfer(customers[0])
    hear(company)

    late = Verdict(ItemState.ACCEPTED, wait=60)
    assert write_findings({item.pk: late}, token=lease) == set()
    assert told(transfer) == [("refused", "customer_refused")]


CODES = {
    40128: ("failed", "handed_over_too_often"),
    40130: ("failed", "receiver_is_owner"),
    40099: ("failed", "receiver_is_full"),
    40131: ("gone", "customer_is_gone"),
    84061: ("gone", "customer_is_gone"),
    40096: ("failed", "platform_refused"),
    40143: ("failed", "platform_refused"),
    40129: ("queued", "busy"),
    40100: ("queued", "busy"),
    -1: ("queued", "busy"),
    987654: ("unknown", "looking_up"),
}


def test_every_code_of_a_customer_has_its_meaning(company):
    items = {}
    for code in CODES:
        company.corp.faults.fail_items(CUSTOMERS, code, share=1.0)
        transfer = company.transfer(customers=[company.customer()])
        send_batch(company.connection)
        (items[code],) = items_of(transfer)

    assert {code: (item.state, item.reason) for code, item in items.items()} == CODES
    assert all(item.platform_code == code for code, item in items.items())
    assert items[40129].attempt_count == 0
    assert items[40129].due_at > database_now() + timedelta(minutes=30)


@pytest.mark.parametrize("fault", ["lose_answer", "truncate"])
def test_a_lost_answer_is_asked_about_and_not_repeated(company, customers, fault):
    getattr(company.corp.faults, fault)(CUSTOMERS)
    transfer = company.transfer(customers=customers)

    company.run()
    assert [state for state, _ in told(transfer)] == ["accepted"] * 3  # the platform lists them
    assert [len(company.hand_overs_of(each)) for each in customers] == [1, 1, 1]
    assert {item.attempt_count for item in items_of(transfer)} == {1}


def test_what_never_began_is_sent_once_more_when_the_platform_lists_nothing(company, customers):
    company.corp.faults.status(CUSTOMERS, 502)
    transfer = company.transfer(customers=customers)

    company.run()
    assert told(transfer) == [("unknown", "looking_up")] * 3
    company.wait(15)
    company.run()

    assert told(transfer) == [("accepted", "")] * 3
    assert {item.attempt_count for item in items_of(transfer)} == {2}
    assert [len(company.hand_overs_of(each)) for each in customers] == [1, 1, 1]


def test_a_busy_customer_whose_attempt_was_lost_is_ours(company, customers):
    transfer = company.transfer(customers=customers[:1])
    TransferItem.objects.update(reason="sent_again", attempt_count=1)
    company.corp.faults.fail_items(CUSTOMERS, 40129, share=1.0)

    company.run()

    assert [state for state, _ in told(transfer)] == ["accepted"]


def test_a_result_that_never_comes_is_given_up_after_three_days(company, customers):
    transfer = company.transfer(customers=customers)
    company.run()
    company.corp.transfers.clear()

    company.wait(2 * DAY)
    company.run()
    assert told(transfer) == [("accepted", "")] * 3
    company.corp.faults.refuse(RESULT, 40003)
    company.wait(2 * DAY)
    company.run()
    assert told(transfer) == [("failed", "no_record")] * 3


def test_one_poll_for_two_colleagues_and_all_their_customers(company, customers):
    first = company.transfer(customers=customers[:2])
    company.run()
    second = company.transfer(customers=customers[2:])
    company.run()
    TransferItem.objects.filter(transfer=first).update(due_at=database_now())

    calls = company.count_calls(RESULT)
    company.run()

    assert calls() == 1
    assert not transfers_are_due()
    assert told(second) == [("accepted", "")]


def test_a_platform_that_is_away_is_asked_again_soon(company, customers):
    transfer = company.transfer(customers=customers)
    company.run()
    company.hurry()
    company.corp.faults.status(RESULT, 502, times=3)

    company.run()

    assert told(transfer) == [("accepted", "")] * 3
    (due_at,) = {item.due_at for item in items_of(transfer)}
    assert due_at < database_now() + timedelta(minutes=2)
    assert {item.token for item in items_of(transfer)} == {None}


def test_a_message_goes_with_its_own_transfer(company, customers):
    company.transfer(customers=customers[:1], message="一")
    company.transfer(customers=customers[1:], message="二")

    calls = company.count_calls(CUSTOMERS)
    company.run()

    assert calls() == 2


def test_the_interface_for_who_left_is_called_by_pairs(company, customers):
    company.corp.resign_staff("giver")
    company.transfer(customers=customers, route=Route.RESIGNED)

    calls = company.count_calls(CUSTOMERS_RESIGNED)
    company.run()

    assert calls() == 1
