"""The thread from end to end, through a real worker and two beats, as an installation runs it."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import Run, WelcomeDelivery
from campaigns.rules.status import BroadcastStatus, WelcomeStatus
from campaigns.selectors.progress import progress_of
from campaigns.services.controlling import pause_broadcast, resume_broadcast
from campaigns.services.scheduling import schedule_broadcast
from members.rules.status import JoinSource
from members.services.joining import apply_for_entry
from tests.campaigns.broadcasts import WelcomePolicyFactory
from tests.chaos.site import is_over, say, wait_until
from tests.communities.factories import GroupChatFactory
from tests.members.factories import MemberFactory

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

RECIPIENTS = 600


def test_a_newcomer_is_welcomed_and_a_scheduled_broadcast_pauses_resumes_and_finishes(
    site, audience
):
    broadcast = audience(RECIPIENTS, status=BroadcastStatus.APPROVED)
    operator, community = broadcast.author, broadcast.communities.get()
    chat = GroupChatFactory(community=community, channel_account=broadcast.channel_account)
    WelcomePolicyFactory(community=community, body="欢迎{{昵称}}来到{{群名}}")
    newcomer = MemberFactory(enterprise=community.enterprise, nickname="阿福", external_id="n1")
    with site("LedgerChannel", broadcast, delay=0.2) as running:
        running.start_worker()
        running.start_beat()
        running.start_beat()  # a second one must change nothing

        joined = time.monotonic()
        apply_for_entry(member=newcomer, community=community, source=JoinSource.API, actor=operator)
        wait_until(lambda: "n1" in running.ledger()["effects"], within=20, site=running)
        say(f"welcomed after {time.monotonic() - joined:.1f} s")

        soon = timezone.now() + timedelta(seconds=1)
        schedule_broadcast(broadcast.pk, actor=operator, scheduled_at=soon)
        run = wait_until(lambda: Run.objects.filter(broadcast=broadcast).first(), site=running)
        wait_until(lambda: progress_of(run.pk).settled > 0, every=0.02, site=running)
        pause_broadcast(broadcast.pk, actor=operator)
        time.sleep(1)
        paused_at = len(running.ledger()["started"])
        time.sleep(1.5)
        assert len(running.ledger()["started"]) == paused_at  # no call begins while paused
        assert progress_of(run.pk).planned > 0

        resume_broadcast(broadcast.pk, actor=operator)
        wait_until(lambda: is_over(broadcast), site=running)

        judgement = running.judge()
        assert judgement.lost == judgement.repeated == 0
        assert running.ledger()["bodies"]["n1"].startswith("你好")  # the broadcast came after
        assert broadcast.status == BroadcastStatus.COMPLETED
        assert Run.objects.count() == 1
        assert WelcomeDelivery.objects.get().status == WelcomeStatus.SENT
        assert chat.pk == WelcomeDelivery.objects.get().stay.chat_id
