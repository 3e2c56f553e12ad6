"""Who may enter a community."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict, Unpack

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from communities.errors import (
    CommunityIsOver,
    IntervalOutOfRange,
    PolicyNeedsCriterion,
    ReviewTimeOutOfRange,
)
from communities.models import ClassificationAxis, Community, EntryPolicy
from communities.rules.kinds import BY_RULE
from communities.rules.status import CommunityStatus
from communities.services.belonging import refuse_strangers
from communities.services.circularity import refuse_length
from communities.signals import entry_policy_set
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.criteria import Criterion, InvalidCriterion
from scrm.shared.criterion_references import unknown_references

OVER = frozenset({CommunityStatus.DISSOLVED, CommunityStatus.ARCHIVED, CommunityStatus.CANCELLED})
DEFAULT_REVIEW = 24  # hours
LONGEST_REVIEW = 24 * 30
LONGEST_INTERVAL = 3660  # days


class PolicyTerms(TypedDict, total=False):
    """What comes with a threshold: the axes that need a photo, hours to review, and after how
    many days members are checked again (None: never)."""

    evidence_axes: Iterable[ClassificationAxis]
    review_hours: int
    requalify_days: int | None


@transaction.atomic
def set_entry_policy(
    community_id: int,
    *,
    mode: str,
    criterion: Criterion,
    actor: User | None,
    **terms: Unpack[PolicyTerms],
) -> EntryPolicy:
    """Put a new version in force; what was decided before keeps the version it was decided by.

    Terms that are not given stay as they were in the version before.
    """
    community = Community.objects.select_for_update(no_key=True).get(pk=community_id)
    if community.status in OVER:
        raise CommunityIsOver(_("社群已结束，不能再改准入规则。"))
    if mode in BY_RULE and criterion.is_empty:
        raise PolicyNeedsCriterion(_("按规则准入必须写明门槛；不设门槛请选“开放”。"))
    refuse_unknown_references(criterion, enterprise_id=community.enterprise_id)
    former = community.entry_policies.active().first()
    whole = _terms_of(former) | terms
    axes = list(whole["evidence_axes"])
    refuse_strangers(community.enterprise_id, axes)
    _refuse_odd_terms(whole["review_hours"], whole["requalify_days"])
    latest = community.entry_policies.aggregate(version=Max("version"))["version"]
    community.entry_policies.active().update(is_active=False)
    policy = EntryPolicy.objects.create(
        community=community,
        version=(latest or 0) + 1,
        mode=mode,
        criterion=criterion.as_json(),
        review_hours=whole["review_hours"],
        requalify_days=whole["requalify_days"],
        is_active=True,
        created_by=actor,
    )
    policy.evidence_axes.set(axes)
    record_audit(
        actor,
        verb="set_entry_policy",
        subject=community,
        before=_told(former),
        after=_told(policy),
    )
    entry_policy_set.send(sender=EntryPolicy, community_id=community.pk, policy_id=policy.pk)
    return policy


def refuse_unknown_references(criterion: Criterion, *, enterprise_id: int) -> None:
    errors = unknown_references(criterion, enterprise_id=enterprise_id)
    if errors:
        raise InvalidCriterion(errors)
    refuse_length(criterion, enterprise_id=enterprise_id)


class WholeTerms(TypedDict):
    evidence_axes: Iterable[ClassificationAxis]
    review_hours: int
    requalify_days: int | None


def _terms_of(policy: EntryPolicy | None) -> WholeTerms:
    if policy is None:
        return {"evidence_axes": (), "review_hours": DEFAULT_REVIEW, "requalify_days": None}
    return {
        "evidence_axes": policy.evidence_axes.all(),
        "review_hours": policy.review_hours,
        "requalify_days": policy.requalify_days,
    }


def _refuse_odd_terms(review_hours: int, requalify_days: int | None) -> None:
    if not 1 <= review_hours <= LONGEST_REVIEW:
        raise ReviewTimeOutOfRange(
            _("审核时限要在 1 到 %(most)d 小时之间。") % {"most": LONGEST_REVIEW}
        )
    if requalify_days is not None and not 1 <= requalify_days <= LONGEST_INTERVAL:
        raise IntervalOutOfRange(
            _("复核间隔要在 1 到 %(most)d 天之间。") % {"most": LONGEST_INTERVAL}
        )


def _told(policy: EntryPolicy | None) -> dict[str, object]:
    if policy is None:
        return {}
    return {
        "version": policy.version,
        "mode": policy.mode,
        "criterion": policy.criterion,
        "evidence_axes": list(policy.evidence_axes.order_by("code").values_list("code", flat=True)),
        "review_hours": policy.review_hours,
        "requalify_days": policy.requalify_days,
    }
