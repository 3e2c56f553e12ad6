"""What the end of a community means for those in it and for those who wait."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.services.seating import release_all_seats
from members.models import EntryApplication, Membership, Stay
from members.rules.status import OPEN_APPLICATION, ApplicationStatus, LeaveReason


@transaction.atomic
def end_open_applications(community_id: int) -> int:
    """Nobody waits for a community that takes nobody any more."""
    return EntryApplication.objects.filter(
        community=community_id, status__in=OPEN_APPLICATION
    ).update(
        status=ApplicationStatus.WITHDRAWN,
        reason=_("社群已停止招新，申请自动结束。"),
        decided_at=Now(),
    )


@transaction.atomic
def dissolve_memberships(community_id: int) -> int:
    """End every membership and stay at once, however many there are."""
    Stay.objects.open().filter(membership__community=community_id).update(
        left_at=Now(), leave_reason=LeaveReason.DISSOLVED
    )
    ended = Membership.objects.active().filter(community=community_id)
    count = ended.update(left_at=Now(), leave_reason=LeaveReason.DISSOLVED)
    release_all_seats(community_id)
    return count
