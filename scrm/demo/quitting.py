"""Members who leave after a message, because of it or not."""

from __future__ import annotations

from datetime import timedelta

from campaigns.models import Delivery, Run
from campaigns.rules.status import DeliveryStatus
from communities.models import Community
from members.models import Membership, Stay
from members.rules.status import LeaveReason
from members.services.leaving import leave_community


def quit_after(
    run: Run, community: Community, *, share: float, at_least: int, within: timedelta
) -> None:
    """Of those whom a run that was dated back has reached, spread over the time after it."""
    reached = Delivery.objects.filter(run=run, status=DeliveryStatus.DELIVERED)
    here = Membership.objects.active().filter(
        community=community,
        member__in=reached.values("recipient_id"),
        joined_at__lt=run.started_at,
    )
    count = max(at_least, round(share * reached.count()))
    leavers = list(here.order_by("-pk").values_list("pk", flat=True)[:count])
    for number, pk in enumerate(leavers, 1):
        stays = list(Stay.objects.open().filter(membership=pk).values_list("pk", flat=True))
        leave_community(pk, reason=LeaveReason.SELF, actor=None)
        left_at = run.started_at + within * number / (count + 1)
        Membership.objects.filter(pk=pk).update(left_at=left_at)
        Stay.objects.filter(pk__in=stays).update(left_at=left_at)
