"""When this happens, members does that."""

from __future__ import annotations

from django.dispatch import receiver

from communities.rules.status import CommunityStatus
from communities.signals import community_moved
from members.services.closing import dissolve_memberships, end_open_applications


@receiver(community_moved)
def end_with_the_community(*, community_id: int, after: str, **_: object) -> None:
    if after == CommunityStatus.CLOSING:
        end_open_applications(community_id)
    elif after == CommunityStatus.DISSOLVED:
        dissolve_memberships(community_id)
