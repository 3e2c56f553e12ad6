"""Who may enter a community."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from communities.errors import CommunityIsOver, PolicyNeedsCriterion
from communities.models import ClassificationAxis, Community, EntryPolicy
from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus
from communities.services.belonging import refuse_strangers
from communities.services.circularity import refuse_length
from communities.signals import entry_policy_set
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.criteria import Criterion, InvalidCriterion
from scrm.shared.criterion_references import unknown_references

OVER = frozenset({CommunityStatus.DISSOLVED, CommunityStatus.ARCHIVED, CommunityStatus.CANCELLED})
BY_RULE = frozenset({EntryMode.RULE, EntryMode.RULE_AND_REVIEW})


@transaction.atomic
def set_entry_policy(
    community_id: int,
    *,
    mode: str,
    criterion: Criterion,
    actor: User | None,
    evidence_axes: Iterable[ClassificationAxis] | None = None,
) -> EntryPolicy:
    """Put a new version in force; what was decided before keeps the version it was decided by.

    Without ``evidence_axes`` the version before says for which axes a photo is needed.
    """
    community = Community.objects.select_for_update(no_key=True).get(pk=community_id)
    if community.status in OVER:
        raise CommunityIsOver(_("社群已结束，不能再改准入规则。"))
    if mode in BY_RULE and criterion.is_empty:
        raise PolicyNeedsCriterion(_("按规则准入必须写明门槛；不设门槛请选“开放”。"))
    refuse_unknown_references(criterion, enterprise_id=community.enterprise_id)
    former = community.entry_policies.active().first()
    if evidence_axes is None:
        evidence_axes = former.evidence_axes.all() if former else ()
    axes = list(evidence_axes)
    refuse_strangers(community.enterprise_id, axes)
    latest = community.entry_policies.aggregate(version=Max("version"))["version"]
    community.entry_policies.active().update(is_active=False)
    policy = EntryPolicy.objects.create(
        community=community,
        version=(latest or 0) + 1,
        mode=mode,
        criterion=criterion.as_json(),
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


def _told(policy: EntryPolicy | None) -> dict[str, object]:
    if policy is None:
        return {}
    return {"version": policy.version, "mode": policy.mode, "criterion": policy.criterion}
