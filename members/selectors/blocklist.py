"""Who is not let in."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from members.models import BlocklistEntry


def is_blocked(member_id: int, community_id: int) -> bool:
    """Whether the member is blocked everywhere or in this community."""
    here = Q(community=None) | Q(community=community_id)
    return BlocklistEntry.objects.in_force(timezone.now()).filter(here, member=member_id).exists()
