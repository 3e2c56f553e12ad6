"""What is known of a member along the axes of classification: granting, ending, expiring."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import ClassificationAxis, ClassificationRule, ClassificationValue
from members.errors import (
    AlreadyEnded,
    BelongsElsewhere,
    ExpiryIsPast,
    GivenByRule,
    WeakerSource,
)
from members.models import Member, MemberClassification
from members.rules.standing import ClassificationSource, is_stronger
from members.signals import classification_changed
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot

TOLD = ("member", "value", "source", "expires_at", "ended_at")


@transaction.atomic
def grant_classification(
    member: Member,
    *,
    value: ClassificationValue,
    source: str,
    actor: User | None,
    expires_at: datetime | None = None,
) -> MemberClassification:
    """Classify a member; a second time from the same source only moves the expiry.

    On an exclusive axis the value replaces the one that is in force, unless that one comes from a
    stronger source: evidence, then a colleague, then an import, then a rule. Evidence without an
    expiry lasts as long as the axis says.
    """
    now = _moment_alone_with(member.pk)
    axis = value.axis
    if axis.enterprise_id != member.enterprise_id:
        raise BelongsElsewhere(_("分类和成员不属于同一家企业。"))
    if expires_at is None and source == ClassificationSource.EVIDENCE:
        expires_at = _end_of_evidence(axis, now)
    if expires_at is not None and expires_at <= now:
        raise ExpiryIsPast(_("到期时间已过，请填将来的时间，或留空。"))
    _close_expired(member, now)
    if axis.is_exclusive:
        _replace(member, value, source=source, actor=actor, now=now)
    standing = member.classifications.filter(value=value, source=source, ended_at=None).first()
    if standing is not None and standing.expires_at == expires_at:
        return standing
    before = {} if standing is None else snapshot(standing, TOLD)
    granted = standing or MemberClassification(
        enterprise_id=member.enterprise_id,
        member=member,
        value=value,
        source=source,
        granted_at=now,
        granted_by=actor,
    )
    granted.expires_at = expires_at
    granted.save(update_fields=["expires_at"] if standing else None)
    _record(actor, "grant_classification", granted, before=before)
    _announce(granted)
    return granted


@transaction.atomic
def end_classification(classification_id: int, *, actor: User | None) -> MemberClassification:
    """Take a classification back from now on; that it was there stays on record."""
    rows = MemberClassification.objects.select_related("member", "value")
    now = _moment_alone_with(rows.get(pk=classification_id).member_id)
    classification = rows.get(pk=classification_id)
    if classification.ended_at is not None:
        raise AlreadyEnded(_("这条分类已经结束。"))
    if actor is not None and _is_given_by_rule(classification):
        raise GivenByRule(_("这条分类由规则给出，请修改或停用规则。"))
    _end([classification], actor=actor, now=now)
    return classification


def _is_given_by_rule(classification: MemberClassification) -> bool:
    rules = ClassificationRule.objects.active().filter(value=classification.value_id)
    return classification.source == ClassificationSource.RULE and rules.exists()


def _moment_alone_with(member_id: int) -> datetime:
    """Now, told once the member is ours: whoever changed it before us did so earlier."""
    Member.objects.select_for_update(no_key=True).get(pk=member_id)
    return timezone.now()


def _end_of_evidence(axis: ClassificationAxis, now: datetime) -> datetime | None:
    days = axis.evidence_valid_days
    return None if days is None else now + timedelta(days=days)


def _replace(
    member: Member,
    value: ClassificationValue,
    *,
    source: str,
    actor: User | None,
    now: datetime,
) -> None:
    others = list(
        member.classifications.in_force(now)
        .filter(value__axis=value.axis_id)
        .exclude(value=value)
        .select_related("member", "value")
        .order_by("pk")
    )
    for other in others:
        if is_stronger(other.source, than=source):
            words = {
                "axis": value.axis.name,
                "value": other.value.name,
                "source": other.get_source_display(),
            }
            raise WeakerSource(
                _("“%(axis)s”只能有一个值，已由%(source)s归为“%(value)s”，请先结束那一条。") % words
            )
    _end(others, actor=actor, now=now)


def _end(classifications: list[MemberClassification], *, actor: User | None, now: datetime) -> None:
    for classification in classifications:
        before = snapshot(classification, TOLD)
        expires_at = classification.expires_at
        classification.ended_at = min(now, expires_at) if expires_at else now
        classification.save(update_fields=["ended_at"])
        _record(actor, "end_classification", classification, before=before)
        _announce(classification)


def _close_expired(member: Member, now: datetime) -> None:
    """Make room for a new period where an old one has run out before the sweep came by."""
    expired = member.classifications.filter(Q(ended_at=None) & Q(expires_at__lte=now))
    _end(list(expired.select_related("member", "value")), actor=None, now=now)


def _record(
    actor: User | None,
    verb: str,
    classification: MemberClassification,
    *,
    before: dict[str, object],
) -> None:
    """Only what a person did: imports and rules keep a record of their own."""
    if actor is not None:
        after = snapshot(classification, TOLD)
        record_audit(actor, verb=verb, subject=classification, before=before, after=after)


def _announce(classification: MemberClassification) -> None:
    classification_changed.send(
        sender=MemberClassification,
        member_id=classification.member_id,
        value_id=classification.value_id,
    )
