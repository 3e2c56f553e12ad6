"""Somebody was erased: what campaigns keeps about them goes, what was done stays as numbers."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.models import ChurnAlert, Occasion, SandboxMessage, SegmentMember, WinbackAction
from campaigns.rules.status import AlertOutcome, RecipientKind
from campaigns.services.settling_alerts import end
from members.models import Member
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind

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
    _forget_alerts(member)


def _forget_alerts(member: Member) -> None:
    alerts = ChurnAlert.objects.filter(member=member)
    alerts.update(note="")
    WinbackAction.objects.filter(alert__in=alerts).update(note="")
    OperatorTask.objects.filter(
        enterprise=member.enterprise_id,
        kind=TaskKind.WINBACK,
        object_type=ChurnAlert._meta.label_lower,
        object_id__in=alerts.values("pk"),
    ).update(title=_("挽回已抹除个人信息的成员"), details={}, note="")
    watched = list(alerts.undecided().order_by("pk").values_list("pk", flat=True))
    end(watched, AlertOutcome.UNWATCHED, note=_("已应本人要求抹除个人信息。"))
