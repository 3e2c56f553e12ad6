"""The thread from end to end, with a real worker and a real beat as processes of their own."""

import pytest
from django.core.cache import cache

from campaigns.rules.status import BroadcastStatus
from communities.rules.kinds import EntryMode
from members.rules.status import JoinSource
from members.services.joining import apply_for_entry
from scrm.shared.models import Heartbeat
from tests.campaigns.broadcasts import WelcomePolicyFactory, due_broadcast, outbox
from tests.communities.factories import CommunityFactory, EntryPolicyFactory, GroupChatFactory
from tests.members.factories import MemberFactory
from tests.processes import celery_beat, celery_worker, wait_until
from tests.wecom.factories import ChannelAccountFactory

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def open_community(account):
    community = CommunityFactory(enterprise=account.enterprise, policy=None)
    EntryPolicyFactory(community=community, mode=EntryMode.OPEN)
    GroupChatFactory(community=community, channel_account=account)
    WelcomePolicyFactory(community=community, enterprise=account.enterprise, body="欢迎{{昵称}}")
    return community


def test_beat_and_worker_welcome_a_newcomer_and_send_a_broadcast_that_is_due(tmp_path):
    account = ChannelAccountFactory()
    community = open_community(account)
    newcomer = MemberFactory(enterprise=account.enterprise, nickname="小满")
    with celery_worker(tmp_path), celery_beat(tmp_path):
        apply_for_entry(newcomer, community=community, source=JoinSource.API, actor=None)
        wait_until(lambda: outbox(account), because=tmp_path / "e2e.log")

        broadcast = due_broadcast(members=300, channel_account__delay_ms=0)

        def is_over():
            broadcast.refresh_from_db()
            return broadcast.status == BroadcastStatus.COMPLETED

        wait_until(is_over, because=tmp_path / "e2e.log")
        wait_until(lambda: Heartbeat.objects.filter(kind="queue").exists())

    assert outbox(account) == [(newcomer.external_id, "欢迎小满")]
    recipients = [recipient for recipient, _ in outbox(broadcast.channel_account)]
    assert len(recipients) == len(set(recipients)) == 300
    assert set(Heartbeat.objects.values_list("kind", flat=True)) == {"worker", "beat", "queue"}


def test_a_broadcast_is_sent_though_every_wake_up_was_lost(tmp_path):
    """Redis is emptied while the work is due: the sweeps find the rows."""
    broadcast = due_broadcast(members=50)
    cache.clear()
    with celery_worker(tmp_path), celery_beat(tmp_path):
        from celery import current_app

        with current_app.connection_for_write() as broker:
            broker.default_channel.client.flushdb()

        def is_over():
            broadcast.refresh_from_db()
            return broadcast.status == BroadcastStatus.COMPLETED

        wait_until(is_over, because=tmp_path / "e2e.log")

    assert len(outbox(broadcast.channel_account)) == 50
