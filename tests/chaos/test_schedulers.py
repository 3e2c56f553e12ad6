"""Three schedulers at once, and a broadcast that is due every second.

The short form, with threads instead of processes, is in tests/campaigns/test_schedules.py.
"""

from datetime import timedelta

import pytest
from django.db.models import Count
from django.utils import timezone

from campaigns.models import Broadcast
from campaigns.rules.status import OPEN_RUN, RunStatus
from campaigns.services.schedules import end_schedule
from tests.campaigns.schedules import schedule_for
from tests.chaos.scale import LONG
from tests.chaos.site import is_over, say, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.chaos,
    pytest.mark.skipif(not LONG, reason="only in make torture"),
]

SECONDS = 600


def test_three_schedulers_begin_every_second_once(site, audience):
    first = (timezone.now() + timedelta(seconds=4)).replace(microsecond=0)
    broadcast = audience(1)
    schedule_for(
        broadcast,
        rrule="FREQ=SECONDLY",
        local_time=(first + timedelta(hours=8)).time(),  # in Shanghai
    )
    Broadcast.objects.filter(pk=broadcast.pk).update(scheduled_at=first)
    with site("LedgerChannel", broadcast) as running:
        running.start_worker()
        for _ in range(3):
            running.start_beat()
        planned = broadcast.runs.filter(planned_for__gte=first)
        wait_until(lambda: planned.count() >= SECONDS, within=SECONDS + 60, site=running)

        end_schedule(broadcast.pk, actor=broadcast.author)
        wait_until(lambda: is_over(broadcast), within=300, site=running)

        times = list(planned.order_by("planned_for").values_list("planned_for", flat=True))
        assert times == [first + timedelta(seconds=n) for n in range(len(times))]
        assert not broadcast.runs.filter(status__in=OPEN_RUN).exists()
        states = dict(broadcast.runs.values_list("status").annotate(Count("pk")))
        say(f"{len(times)} seconds: {states}")
        assert states == {RunStatus.FINISHED: len(times)}
        assert running.ledger()["effects"] == {"m1": len(times)}
