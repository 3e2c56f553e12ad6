"""What the end of a community means for those in it and for those who wait."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Greatest, Now
from django.utils.translation import gettext as _

from communities.services.seating import release_all_seats
from members.models import EntryApplication, Evidence, Membership, Stay
from members.rules.standing import EvidenceStatus
from members.rules.status import ApplicationStatus, LeaveReason
from members.services.leaving import ABOUT_MEMBERSHIPS
from scrm.accounts.services.operator_tasks import settle_tasks


@transaction.atomic
def end_open_applications(community_id: int) -> int:
    """Nobody waits for a community that takes nobody any more."""
    waiting = EntryApplication.objects.open().filter(community=community_id)
    reason = _("社群已停止招新，申请自动结束。")
    Evidence.objects.pending().filter(application__in=waiting).update(
        status=EvidenceStatus.REJECTED, reason=reason, decided_at=Now()
    )
    return waiting.update(
        status=ApplicationStatus.WITHDRAWN,
        reason=reason,
        decided_at=Now(),
        settles_at=None,
        expires_at=None,
        claimed_by=None,
        claimed_until=None,
    )


@transaction.atomic
def dissolve_memberships(community_id: int) -> int:
    """End every membership and stay at once, however many there are. Nobody left before they came
    in: the platform's clock, by which they did, may be ahead of ours."""
    left_at = Greatest(Now(), "joined_at")
    Stay.objects.open().filter(membership__community=community_id).update(
        left_at=left_at, leave_reason=LeaveReason.DISSOLVED
    )
    ended = Membership.objects.active().filter(community=community_id)
    for kind in ABOUT_MEMBERSHIPS:
        settle_tasks(kind, subjects=ended)
    count = ended.update(left_at=left_at, leave_reason=LeaveReason.DISSOLVED)
    release_all_seats(community_id)
    return count
