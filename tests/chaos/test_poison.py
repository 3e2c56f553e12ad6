"""Recipients whose text breaks the worker, or kills it: they hurt only themselves."""

import pytest
from django.db import connection

from campaigns.models import Delivery
from campaigns.rules.status import BroadcastStatus
from campaigns.services.scheduling import start_due_broadcasts
from tests.chaos.scale import of
from tests.chaos.site import is_over, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

RECIPIENTS = of(400, 10_000)
RAISING_EVERY = 100
DEADLY = of(1, 10)


def poison(community):
    """Every hundredth name raises when it is rendered, a few kill the process."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE members_member SET nickname = 'raise' WHERE id IN ("
            " SELECT member_id FROM members_membership"
            " WHERE community_id = %s AND member_id %% %s = 0)",
            [community.pk, RAISING_EVERY],
        )
        cursor.execute(
            "UPDATE members_member SET nickname = 'die' WHERE id IN ("
            " SELECT member_id FROM members_membership WHERE community_id = %s"
            " AND member_id %% %s = 37 ORDER BY member_id LIMIT %s)",
            [community.pk, RAISING_EVERY, DEADLY],
        )


def test_poisoned_recipients_fail_alone(site, audience):
    broadcast = audience(RECIPIENTS)
    community = broadcast.communities.get()
    poison(community)
    with site("PoisonChannel", broadcast) as running:
        start_due_broadcasts()
        running.start_worker()
        running.start_beat()
        wait_until(lambda: is_over(broadcast), within=of(90, 900), site=running)

        run = broadcast.runs.get()
        poisoned = set(
            community.memberships.filter(member__nickname__in=["raise", "die"]).values_list(
                "member_id", flat=True
            )
        )
        failed = dict(
            Delivery.objects.filter(run=run, status="failed").values_list("recipient_id", "reason")
        )
        assert broadcast.status == BroadcastStatus.PARTIALLY_COMPLETED
        assert failed.keys() == poisoned
        assert set(failed.values()) == {"render_error", "worker_error"}
        judgement = running.judge()
        assert judgement.repeated == 0
        assert judgement.lost == len(poisoned)
        assert max(run.dispatches.values_list("attempt_count", flat=True)) <= 5
