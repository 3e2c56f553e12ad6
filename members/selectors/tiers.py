"""Which tier a member holds."""

from __future__ import annotations

from communities.models import Tier
from members.models import Member, TierAssignment


def holds_tier(member: Member, tier: Tier) -> bool:
    """Whether the member's current tier in the scheme is this one or a higher one. A tier that
    is locked counts like one that was earned."""
    held = TierAssignment.objects.current().filter(
        member=member, scheme=tier.scheme_id, tier__rank__gte=tier.rank
    )
    return held.exists()
