"""What members agreed to."""

from __future__ import annotations

from members.models import Consent, Member
from members.rules.standing import ConsentDecision


def consents(member: Member, purpose: str) -> bool:
    """Whether the member's latest word about a purpose is yes. Without one it is no."""
    latest = Consent.objects.filter(member=member, purpose=purpose).order_by("-pk")
    return latest.values_list("decision", flat=True).first() == ConsentDecision.GRANTED
