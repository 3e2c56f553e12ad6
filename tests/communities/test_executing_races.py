"""Several workers at once: nothing twice, nothing lost, and no giver above the day's share."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from communities.models import TransferItem, TransferQuota
from communities.services.transfers.executing import run_due_transfers
from communities.services.transfers.quotas import give_back_quotas, take_quotas
from communities.services.transfers.submitting import cancel_transfer
from scrm.wecom.services.platform_clock import platform_day, platform_now
from tests.communities.executing_worlds import ON_JOB, Company, items_of, told

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def company():
    return Company()


def at_once(count, work):
    together = threading.Barrier(count)

    def one(number):
        together.wait()
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_a_share_of_the_day_is_taken_exactly_however_many_take_it(company):
    day = platform_day(platform_now(company.connection))
    account, giver, other = company.account.pk, company.giver.pk, company.other.pk

    granted = at_once(8, lambda n: take_quotas(account, {giver: 60, other: 10 + n}, day=day))

    assert sorted(each[giver] for each in granted) == [0, 0, 0, 60, 60, 60, 60, 60]
    assert sum(each[other] for each in granted) == sum(range(10, 18))
    quotas = dict(TransferQuota.objects.values_list("giver", "used"))
    assert quotas == {giver: 300, other: sum(range(10, 18))}

    at_once(4, lambda _: give_back_quotas(account, {giver: 1, other: 1}, day=day))
    assert TransferQuota.objects.get(giver=giver).used == 296


def test_workers_at_once_send_everything_once_and_no_more_than_a_day_allows(company):
    chats = [company.chat() for _ in range(8)]
    day = platform_day(platform_now(company.connection))
    take_quotas(company.account.pk, {company.giver.pk: 295}, day=day)
    transfers = [
        company.transfer([chat], receiver=(company.receiver, company.other)[n % 2])
        for n, chat in enumerate(chats)
    ]
    company.corp.faults.slow(ON_JOB, 0.1)

    at_once(4, lambda _: run_due_transfers())

    states = [told(transfer)[0] for transfer in transfers]
    assert sorted(states) == [("accepted", "")] * 5 + [("queued", "")] * 3
    assert [company.times_handed_over(chat) for chat in chats].count(1) == 5
    assert max(company.times_handed_over(chat) for chat in chats) == 1
    assert TransferQuota.objects.get().used == 300


def cancelled_while_sending(company, *transfers):
    company.corp.faults.slow(ON_JOB, 0.3, times=1)
    worker = threading.Thread(target=lambda: (run_due_transfers(limit=1), connection.close()))
    worker.start()
    while not TransferItem.objects.filter(state="sending").exists():
        time.sleep(0.01)
    for each in transfers:
        cancel_transfer(each.pk, reason="不转了", actor=None)
    worker.join()


def test_what_is_cancelled_during_its_call_goes_on_to_its_end_and_the_rest_does_not(company):
    begun = company.transfer([company.chat() for _ in range(2)])
    later = company.transfer([company.chat()], receiver=company.other)
    cancelled_while_sending(company, begun, later)
    assert told(begun) == [("accepted", "")] * 2
    assert told(later) == [("cancelled", "withdrawn")]

    company.corp.faults.fail_items(ON_JOB, -1, share=1.0)
    undone = company.transfer([company.chat() for _ in range(2)])
    cancelled_while_sending(company, undone)
    assert told(undone) == [("cancelled", "withdrawn")] * 2
    assert [company.times_handed_over(item.chat) for item in items_of(undone)] == [0, 0]

    company.look()
    assert told(begun) == [("verified", "")] * 2
