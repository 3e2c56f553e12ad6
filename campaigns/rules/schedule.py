"""What happens to a broadcast whose time went by while nobody looked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _

from campaigns.rules.status import BroadcastStatus, MisfirePolicy

#: The sweep comes round every few seconds; within this a start counts as on time.
ON_TIME = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Misfire:
    becomes: BroadcastStatus
    reason: str


def misfire_of(policy: str, *, late_by: timedelta, grace: timedelta) -> Misfire | None:
    """None when it may still begin."""
    if late_by <= ON_TIME or (policy == MisfirePolicy.RUN_LATE and late_by <= grace):
        return None
    minutes = int(late_by.total_seconds() // 60)
    if policy == MisfirePolicy.SKIP:
        reason = _("错过计划时间 %(minutes)d 分钟，按设置不再发送。") % {"minutes": minutes}
        return Misfire(BroadcastStatus.CANCELLED, reason)
    reason = _("错过计划时间 %(minutes)d 分钟，超过宽限，没有发送。") % {"minutes": minutes}
    return Misfire(BroadcastStatus.FAILED, reason)
