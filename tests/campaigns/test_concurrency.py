"""Several at once, each on a connection of its own."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from campaigns.models import WelcomeDelivery
from campaigns.rules.status import BroadcastStatus, WelcomeStatus
from campaigns.selectors.progress import counted_deliveries, progress_of
from campaigns.services.draining import drain_slice
from campaigns.services.planning_welcomes import plan_welcome
from campaigns.services.welcoming import send_due_welcomes
from tests.campaigns.broadcasts import WelcomePolicyFactory, due_broadcast, started
from tests.communities.factories import CommunityFactory
from tests.members.factories import StayFactory

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(work, times=4):
    def on_its_own_connection(_):
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(on_its_own_connection, range(times)))


def drain():
    while drain_slice(seconds=0.5):
        pass


def test_several_drains_freeze_once_and_share_the_sending(channel):
    channel.batch_limit = 5
    broadcast = due_broadcast(members=60, channel_account__kind="fake")
    run = started(broadcast)

    at_once(drain)
    drain()

    channel.batch_limit = 1000
    reached = [m.recipient_ref for envelope in channel.sent for m in envelope.messages]
    assert len(reached) == len(set(reached)) == 60
    assert counted_deliveries(run.pk)["delivered"] == progress_of(run.pk).delivered == 60
    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.COMPLETED


def test_several_workers_welcome_each_newcomer_once(channel):
    community = CommunityFactory()
    WelcomePolicyFactory(community=community)
    for _ in range(30):
        stay = StayFactory(membership__community=community, chat__channel_account__kind="fake")
        plan_welcome(stay.pk)

    at_once(send_due_welcomes)

    keys = [envelope.key for envelope in channel.sent]
    assert len(keys) == len(set(keys)) == 30
    assert set(WelcomeDelivery.objects.values_list("status", flat=True)) == {WelcomeStatus.SENT}


def test_joining_twice_at_once_plans_one_welcome():
    stay = StayFactory()
    WelcomePolicyFactory(community=stay.membership.community)

    at_once(lambda: plan_welcome(stay.pk))

    assert WelcomeDelivery.objects.count() == 1
