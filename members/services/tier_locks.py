"""Tiers that an operator gives, and that no measure takes away."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Tier, TierScheme
from members.errors import BelongsElsewhere, ReasonMissing, TierIsLocked, TierIsNotLocked
from members.models import Member, TierAssignment
from members.rules.standing import TierCause
from members.services.tiering_members import locked_schemes, retier
from members.signals import tiers_changed
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit


@transaction.atomic
def lock_tier(member: Member, *, tier: Tier, reason: str, actor: User) -> TierAssignment:
    """Give a member a tier that stays until it is unlocked, whatever is measured."""
    reason = reason.strip()
    if not reason:
        raise ReasonMissing(_("请写明锁定的理由。"))
    scheme = _locked_scheme(member, tier.scheme_id)
    held = _current(member.pk, scheme)
    if held is not None and held.is_locked:
        raise TierIsLocked(
            _("这位成员的层级已锁定在“%(tier)s”，请先解除锁定。") % {"tier": held.tier.name}
        )
    locked = TierAssignment.objects.create(
        member=member,
        scheme=scheme,
        tier=tier,
        cause=TierCause.LOCKED,
        started_at=_end(held, TierCause.LOCKED),
        is_locked=True,
        locked_by=actor,
        reason=reason,
    )
    before = {} if held is None else {"tier": held.tier.name}
    told = {"tier": tier.name, "reason": reason}
    record_audit(actor, verb="lock_tier", subject=member, before=before, after=told)
    _announce(locked)
    return locked


@transaction.atomic
def unlock_tier(assignment_id: int, *, actor: User) -> TierAssignment:
    """Let measures decide again. The member keeps the tier as a new period, rises at once if more
    is earned, and loses it as anybody would. Returns the period that is current then."""
    found = TierAssignment.objects.select_related("member").get(pk=assignment_id)
    scheme = _locked_scheme(found.member, found.scheme_id)
    held = _current(found.member_id, scheme)
    if held is None or held.pk != assignment_id or not held.is_locked:
        raise TierIsNotLocked(_("这个层级没有锁定，或已经解除。"))
    free = TierAssignment.objects.create(
        member=found.member,
        scheme=scheme,
        tier=held.tier,
        cause=TierCause.UNLOCKED,
        started_at=_end(held, TierCause.UNLOCKED),
    )
    before = {"tier": held.tier.name, "reason": held.reason}
    record_audit(actor, verb="unlock_tier", subject=found.member, before=before)
    _announce(free)
    retier(scheme, found.member_id)
    return _current(found.member_id, scheme) or free


def _locked_scheme(member: Member, scheme_id: int) -> TierScheme:
    """The scheme, so that nobody else gives its tiers at the same time."""
    schemes = locked_schemes(member.enterprise_id)
    scheme = next((scheme for scheme in schemes if scheme.pk == scheme_id), None)
    if scheme is None:
        raise BelongsElsewhere(_("成员和层级不属于同一家企业。"))
    return scheme


def _current(member_id: int, scheme: TierScheme) -> TierAssignment | None:
    held = TierAssignment.objects.current().filter(member=member_id, scheme=scheme)
    return held.select_related("tier").first()


def _end(held: TierAssignment | None, cause: TierCause) -> datetime:
    """Close the period if there is one. Returns when the next begins."""
    now = timezone.now()
    if held is None:
        return now
    held.ended_at = max(now, held.started_at)
    held.end_cause = cause
    held.save(update_fields=["ended_at", "end_cause"])
    return held.ended_at


def _announce(assignment: TierAssignment) -> None:
    tiers_changed.send(
        sender=TierAssignment,
        scheme_id=assignment.scheme_id,
        assignment_ids=[assignment.pk],
    )
