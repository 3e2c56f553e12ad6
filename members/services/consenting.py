"""What members agree to."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from members.errors import NothingToWithdraw
from members.models import Consent, Member
from members.rules.standing import ConsentDecision
from members.selectors.consent import consents
from members.signals import consent_recorded
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit


@transaction.atomic
def record_consent(
    member: Member,
    *,
    purpose: str,
    decision: str,
    text_version: str,
    source: str,
    actor: User | None = None,
) -> Consent:
    """Add a member's word about one purpose; the latest word counts, all of them are kept.

    ``text_version`` names the text they were shown, ``source`` where they said it.
    """
    Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    if decision == ConsentDecision.WITHDRAWN and not consents(member, purpose):
        raise NothingToWithdraw(_("这位成员现在没有同意这个用途，不能撤回；不同意请记“不同意”。"))
    consent = Consent.objects.create(
        member=member,
        purpose=purpose,
        decision=decision,
        text_version=text_version,
        source=source,
    )
    record_audit(
        actor,
        verb="record_consent",
        subject=member,
        after={
            "purpose": purpose,
            "decision": decision,
            "text_version": text_version,
            "source": source,
        },
    )
    consent_recorded.send(sender=Consent, member_id=member.pk, purpose=purpose)
    return consent
