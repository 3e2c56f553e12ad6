"""The photos of an application are decided with it."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from members.models import EntryApplication, Evidence
from members.rules.status import ApplicationStatus
from members.services.evidencing import approve_evidence_of, reject_evidence_of

ADMITTED = frozenset({ApplicationStatus.APPROVED, ApplicationStatus.JOINED})


@transaction.atomic
def settle_evidence_of(application_id: int) -> int:
    """What nobody decided photo by photo follows the application; how many were decided."""
    if not Evidence.objects.pending().filter(application=application_id).exists():
        return 0
    application = EntryApplication.objects.select_related("member").get(pk=application_id)
    if application.status in ADMITTED:
        return len(approve_evidence_of(application, decided_by=application.decided_by))
    reason = application.reason or _("申请已结束。")
    settled = reject_evidence_of(application, decided_by=application.decided_by, reason=reason)
    return len(settled)
