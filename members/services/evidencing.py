"""Deciding on evidence, together with the application that brought it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from members.models import EntryApplication, Evidence
from members.rules.standing import ClassificationSource, EvidenceStatus
from members.services.classifying import grant_classification
from scrm.accounts.models import User

MAX_REASON = 300


@transaction.atomic
def approve_evidence_of(
    application: EntryApplication, *, decided_by: User | None
) -> list[Evidence]:
    """What the photos of this application claim is true: the member is classified by it, as long
    as evidence of the axis is valid."""
    pending = _pending_of(application)
    for evidence in pending:
        evidence.classification = grant_classification(
            application.member,
            value=evidence.value,
            source=ClassificationSource.EVIDENCE,
            actor=decided_by,
        )
        _decide(evidence, EvidenceStatus.APPROVED, decided_by=decided_by, reason="")
    return pending


@transaction.atomic
def reject_evidence_of(
    application: EntryApplication, *, decided_by: User | None, reason: str
) -> list[Evidence]:
    """The photos that are still undecided prove nothing."""
    pending = _pending_of(application)
    for evidence in pending:
        _decide(evidence, EvidenceStatus.REJECTED, decided_by=decided_by, reason=reason)
    return pending


def _pending_of(application: EntryApplication) -> list[Evidence]:
    return list(
        Evidence.objects.pending()
        .filter(application=application)
        .select_for_update(no_key=True, of=("self",))
        .select_related("value__axis")
        .order_by("pk")
    )


def _decide(
    evidence: Evidence, status: EvidenceStatus, *, decided_by: User | None, reason: str
) -> None:
    evidence.status = status
    evidence.reason = reason[:MAX_REASON]
    evidence.decided_by = decided_by
    evidence.decided_at = timezone.now()
    evidence.save(update_fields=["status", "reason", "decided_by", "decided_at", "classification"])
