"""How much an enterprise lets itself say: its send policy."""

from __future__ import annotations

from datetime import time
from typing import TypedDict, Unpack

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.errors import BadPercentage, QuietHoursNeedBothEnds, SendPolicyExists
from campaigns.models import SendPolicy
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing

PERCENTAGES = (
    "advert_warn_percent",
    "advert_block_percent",
    "full_blast_percent",
    "margin_percent",
)
FIELDS = (
    "consent_rule",
    "quiet_from",
    "quiet_until",
    *PERCENTAGES,
    "advert_window_days",
    "advert_minimum_posts",
    "breaker_is_on",
    "breaker_day_permille",
    "breaker_three_days_permille",
    "breaker_minimum_leaves",
)


class PolicyChanges(TypedDict, total=False):
    consent_rule: str
    quiet_from: time | None
    quiet_until: time | None
    advert_warn_percent: int
    advert_block_percent: int
    advert_window_days: int
    advert_minimum_posts: int
    full_blast_percent: int
    breaker_is_on: bool
    breaker_day_permille: int
    breaker_three_days_permille: int
    breaker_minimum_leaves: int
    margin_percent: int


@transaction.atomic
def create_send_policy(*, actor: User, **fields: Unpack[PolicyChanges]) -> SendPolicy:
    """The first of an enterprise; until then the defaults hold. What is not given is as they are.

    In force at once, also for what is being sent.
    """
    policy = SendPolicy(enterprise_id=actor.enterprise_id, changed_by=actor, **fields)
    _refuse_nonsense(policy)
    exists = SendPolicyExists(_("发送规则已经有了，请修改它。"))
    with refusing(exists, constraint="campaigns_sendpolicy_enterprise_id_key"):
        policy.save(force_insert=True)
    after = snapshot(policy, FIELDS)
    record_audit(actor, verb="create_send_policy", subject=policy, after=after)
    return policy


@transaction.atomic
def edit_send_policy(
    policy_id: int, *, actor: User, **changes: Unpack[PolicyChanges]
) -> SendPolicy:
    """In force at once, also for what is being sent."""
    policy = SendPolicy.objects.select_for_update(no_key=True).get(pk=policy_id)
    before = snapshot(policy, FIELDS)
    for name, value in changes.items():
        setattr(policy, name, value)
    _refuse_nonsense(policy)
    after = snapshot(policy, FIELDS)
    if after == before:
        return policy
    policy.changed_by, policy.changed_at = actor, timezone.now()
    policy.save(update_fields=[*changes, "changed_by", "changed_at"])
    record_audit(actor, verb="edit_send_policy", subject=policy, before=before, after=after)
    return policy


def _refuse_nonsense(policy: SendPolicy) -> None:
    if (policy.quiet_from is None) is not (policy.quiet_until is None):
        raise QuietHoursNeedBothEnds(_("免打扰要么填起止两个时间，要么都不填。"))
    if any(not 0 <= getattr(policy, name) <= 100 for name in PERCENTAGES):
        raise BadPercentage(_("百分比必须在 0 到 100 之间。"))
    if not policy.full_blast_percent:
        raise BadPercentage(_("全员群发的比例至少是百分之一。"))
