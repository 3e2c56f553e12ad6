"""Somebody was erased: what campaigns keeps about them goes, what was done stays as numbers."""

from __future__ import annotations

from django.db import transaction

from campaigns.models import ChurnAlert, Occasion, SandboxMessage, SegmentMember
from campaigns.rules.status import OPEN_ALERT, AlertStatus, RecipientKind
from members.models import Member
from scrm.shared.clock import database_now

ERASED_BODY = "—"


@transaction.atomic
def forget_member(member_id: int) -> None:
    """Texts with their name, lists that they stand on, and what waits to be begun for them."""
    member = Member.objects.get(pk=member_id)
    SegmentMember.objects.filter(member=member_id).delete()
    Occasion.objects.filter(member=member_id, run=None).delete()
    SandboxMessage.objects.filter(
        channel_account__enterprise=member.enterprise_id,
        recipient_kind=RecipientKind.MEMBER,
        recipient_ref=member.external_id,
    ).update(body=ERASED_BODY)
    alerts = ChurnAlert.objects.filter(member=member_id)
    alerts.update(note="")
    alerts.filter(status__in=OPEN_ALERT).update(
        status=AlertStatus.DISMISSED, closed_at=database_now()
    )
