"""What photos an application still lacks, and what those it has would prove."""

from __future__ import annotations

from django.utils import timezone

from communities.models import ClassificationAxis
from members.models import EntryApplication, Evidence, MemberClassification
from members.rules.standing import ClassificationSource, EvidenceStatus

#: A photo that was not refused.
STANDING = (EvidenceStatus.PENDING, EvidenceStatus.APPROVED)


def missing_evidence(application: EntryApplication) -> list[ClassificationAxis]:
    """The axes for which the policy asks for a photo, and neither this application brought one
    nor an earlier one still counts."""
    brought = Evidence.objects.filter(application=application, status__in=STANDING)
    proven = MemberClassification.objects.in_force(timezone.now()).filter(
        member=application.member_id, source=ClassificationSource.EVIDENCE
    )
    return list(
        application.policy.evidence_axes.exclude(pk__in=brought.values("value__axis"))
        .exclude(pk__in=proven.values("value__axis"))
        .order_by("code", "pk")
    )


def claimed_values(application: EntryApplication) -> frozenset[int]:
    """The classification values that the photos of this application would prove."""
    brought = Evidence.objects.filter(application=application, status__in=STANDING)
    return frozenset(brought.values_list("value_id", flat=True))
