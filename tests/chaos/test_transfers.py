"""Workers are killed while they hand things over. Judged by the record of the simulated platform:
nothing changes hands twice, nothing is forgotten, and nothing is sent again before it was asked
about."""

import os
import random
import signal
import time
from collections import Counter
from urllib.parse import urlsplit

import psutil
import pytest
from django.conf import settings
from django.db.models import Sum

from communities.models import OwnershipTransfer, TransferItem, TransferQuota
from communities.rules.transfers import UNDER_WAY, ItemState
from communities.tasks import sweep_transfers
from scrm.wecom.services.platform_clock import learn_clock
from scrm.wecom.tasks import sweep_reads
from tests.chaos.site import SEED, is_calling, say
from tests.communities.executing_worlds import CUSTOMERS, ON_JOB, Company
from tests.processes import celery_worker

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

RECEIVERS = int(os.environ.get("CHAOS_RECEIVERS", "6"))
KILLS = int(os.environ.get("CHAOS_KILLS", "3"))
CHATS, PEOPLE = 4, 3  # of each receiver
PATIENCE = 90.0


@pytest.fixture
def company():
    return Company()


def hand_over_everything(company):
    """Each receiver's part is a call of its own, so that there are many to be killed in."""
    chats, customers = [], []
    for number in range(RECEIVERS):
        receiver = company.colleague(f"receiver{number}")
        chats += (mine := [company.chat() for _ in range(CHATS)])
        customers += (people := [company.customer() for _ in range(PEOPLE)])
        company.transfer(mine, people, receiver=receiver)
    for api in (ON_JOB, CUSTOMERS):
        company.corp.faults.slow(api, 0.25)
        company.corp.faults.status(api, 502)  # what was not done is sent once more
    return chats, customers


def kill_a_caller(worker, chance) -> bool:
    """SIGKILL a pool process in the middle of a call, if there is one."""
    if not TransferItem.objects.filter(state=ItemState.SENDING).exists():
        return False
    port = urlsplit(settings.WECOM_SIMULATOR_URL).port
    callers = [one for one in psutil.Process(worker.pid).children() if is_calling(one, port)]
    if not callers:
        return False
    os.kill(chance.choice(callers).pid, signal.SIGKILL)
    return True


def until_settled(company, worker):
    """What the scheduler does, only faster, and time that goes by on the platform."""
    chance, kills, deadline = random.Random(SEED), 0, time.monotonic() + PATIENCE
    open_items = TransferItem.objects.filter(state__in=[ItemState.QUEUED, *UNDER_WAY])
    while open_items.exists():
        assert time.monotonic() < deadline, Counter(open_items.values_list("state", "reason"))
        if kills < KILLS and (killed := kill_a_caller(worker, chance)):
            kills += killed
        elif open_items.filter(state=ItemState.UNKNOWN).exists():
            company.corp.clock.advance(15)
            learn_clock(company.connection)
        elif not open_items.exclude(state=ItemState.ACCEPTED, subject="customer").exists():
            company.corp.clock.advance(86_400)
            learn_clock(company.connection)
        sweep_transfers()
        sweep_reads()
        time.sleep(0.1)
    say(f"seed {SEED}, kills {kills}")
    return kills


def test_killed_workers_hand_over_everything_once(company, tmp_path):
    chats, customers = hand_over_everything(company)
    worker = celery_worker(
        tmp_path,
        queues=["bulk"],
        name="transfers",
        DJANGO_SETTINGS_MODULE="tests.chaos.transfers_settings",
        SCRM_SIMULATOR_URL=settings.WECOM_SIMULATOR_URL,
    )
    with worker as running:
        kills = until_settled(company, running)

    assert kills >= KILLS - 1  # one call fewer than it could have struck
    assert Counter(TransferItem.objects.values_list("state", "reason")) == {
        ("verified", ""): len(chats) + len(customers)
    }
    owners = {
        item.chat.external_id: item.receiver.external_id
        for item in TransferItem.objects.filter(subject="chat").select_related("chat", "receiver")
    }
    assert {chat.external_id: company.owner_of(chat) for chat in chats} == owners
    assert {company.times_handed_over(chat) for chat in chats} == {1}
    assert {len(company.hand_overs_of(each)) for each in customers} == {1}
    # a repetition of what was done would have been told by a code of the platform
    assert set(TransferItem.objects.values_list("platform_code", flat=True)) == {None}
    assert TransferQuota.objects.aggregate(used=Sum("used"))["used"] == len(chats)
    assert set(OwnershipTransfer.objects.values_list("status", flat=True)) == {"verified"}
    assert TransferItem.objects.filter(attempt_count__gt=1).exists()
