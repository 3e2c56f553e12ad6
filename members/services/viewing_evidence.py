"""Looking at evidence: only reviewers do, and it is written down each time."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from members.errors import PhotoOutOfSight
from members.models import Evidence
from members.selectors.evidence_address import read_token
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability
from scrm.accounts.services.audit import record_audit


@transaction.atomic
def view_evidence(token: str) -> Evidence:
    """The evidence of a signed address, whose user is still active, still reviews, and still
    sees the member. Whatever is not so gets the same answer."""
    told = read_token(token)
    if told is None:
        raise _out_of_sight()
    evidence_id, user_id = told
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not user.can(Capability.REVIEW_APPLICATIONS):
        raise _out_of_sight()
    evidence = Evidence.objects.visible_to(user).filter(pk=evidence_id).first()
    if evidence is None:
        raise _out_of_sight()
    record_audit(user, verb="view_evidence", subject=evidence)
    return evidence


def _out_of_sight() -> PhotoOutOfSight:
    return PhotoOutOfSight(_("照片地址已失效，请回到凭证页重新打开。"))
