"""A message after which so many left that the quit breaker stopped the rest."""

from __future__ import annotations

from datetime import timedelta
from math import ceil

from django.db.models import F

from campaigns.models import Delivery
from campaigns.rules.status import DeliveryStatus
from campaigns.services.reporting import report_run
from campaigns.services.watching import look_at
from members.models import Membership, Stay
from members.rules.status import LeaveReason
from members.services.leaving import leave_community
from scrm.demo.backdating import date_back
from scrm.demo.contents import REPELLING
from scrm.demo.founding import Founded
from scrm.demo.sending import compose, half_sent, scheduled

HOURS_AGO = 18
LEAVING_SHARE = 0.08
LEAST_LEAVES = 6


def be_halted(founded: Founded) -> None:
    """It was sent to the first community; the second is spared."""
    broadcast = scheduled(founded, compose(founded, REPELLING, "southwest", "ragdoll"))
    run = half_sent(founded, broadcast)
    date_back(run, founded.now - timedelta(hours=HOURS_AGO))
    reached = Delivery.objects.filter(run=run, status=DeliveryStatus.DELIVERED)
    here = Membership.objects.active().filter(
        community=founded.communities["southwest"],
        member__in=reached.values("recipient_id"),
        joined_at__lt=run.started_at,
    )
    count = max(LEAST_LEAVES, ceil(LEAVING_SHARE * reached.count()))
    for number, pk in enumerate(list(here.order_by("-pk").values_list("pk", flat=True)[:count])):
        leave_community(pk, reason=LeaveReason.SELF, actor=None)
        back = timedelta(hours=HOURS_AGO - 1 - number * 12 / count)
        for rows in (Membership.objects.filter(pk=pk), Stay.objects.filter(membership=pk)):
            rows.filter(left_at__gte=founded.now).update(left_at=F("left_at") - back)
    look_at(run.pk)
    report_run(run.pk)
