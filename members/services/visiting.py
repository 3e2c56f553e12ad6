"""What a visitor of the public join page can do, known only by a phone number they have proven."""

from __future__ import annotations

import secrets
from typing import BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _

from communities.models import ClassificationValue, Community, JoinWay
from members.errors import BelongsElsewhere, NoConsent, PhoneTaken
from members.models import Consent, EntryApplication, Evidence, Member, PhoneVerification
from members.rules.consent_texts import EVIDENCE_TEXT
from members.rules.standing import ConsentDecision, ConsentPurpose
from members.rules.status import JoinSource
from members.selectors.visiting import member_with_phone
from members.services.consenting import record_consent
from members.services.joining import apply_for_entry
from members.services.registering import add_member
from members.services.uploading import submit_evidence

PAGE = "join_page"  # where a consent was given


@transaction.atomic
def apply_as_visitor(
    verification: PhoneVerification,
    *,
    community: Community,
    nickname: str,
    join_way: JoinWay | None = None,
) -> EntryApplication:
    """Apply as the member with this phone number; a number that nobody has makes a new member."""
    if verification.enterprise_id != community.enterprise_id:
        raise BelongsElsewhere(_("成员和社群不属于同一家企业。"))
    member = member_with_phone(verification) or _new_member(verification, nickname)
    return apply_for_entry(
        member, community=community, source=JoinSource.JOIN_PAGE, actor=None, join_way=join_way
    )


def hand_in_photo(
    application: EntryApplication,
    *,
    value: ClassificationValue,
    upload: BinaryIO,
    has_agreed: bool,
) -> Evidence:
    """Keep the visitor's consent, then their photo. No transaction is open while it is read."""
    if not has_agreed:
        raise NoConsent(_("请先同意我们为审核保存这张照片。"))
    agree_to_evidence(application.member)
    return submit_evidence(application.pk, value=value, upload=upload)


@transaction.atomic
def agree_to_evidence(member: Member) -> None:
    """Consent to the text that the page shows; said once, it is not said again."""
    latest = Consent.objects.filter(member=member, purpose=ConsentPurpose.EVIDENCE).order_by("-pk")
    said = latest.values_list("decision", "text_version").first()
    if said != (ConsentDecision.GRANTED, EVIDENCE_TEXT):
        record_consent(
            member,
            purpose=ConsentPurpose.EVIDENCE,
            decision=ConsentDecision.GRANTED,
            text_version=EVIDENCE_TEXT,
            source=PAGE,
        )


def _new_member(verification: PhoneVerification, nickname: str) -> Member:
    try:
        with transaction.atomic():
            return add_member(
                verification.enterprise,
                external_id=f"join-{secrets.token_hex(8)}",
                actor=None,
                nickname=nickname,
                phone=verification.phone,
            )
    except PhoneTaken:  # registered by a second click a moment ago
        member = member_with_phone(verification)
        if member is None:
            raise
        return member
