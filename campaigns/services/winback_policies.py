"""When alerts are raised and how many are held out: the rules of an enterprise or a community."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import (
    BadCooldown,
    BadHoldoutPercent,
    BadThreshold,
    BadTopPercent,
    BelongsElsewhere,
    WinbackPolicyExists,
)
from campaigns.models import WinbackPolicy
from campaigns.rules.winback import POLICY_LIMITS
from communities.models import Community
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import InvalidInput, refusing

FIELDS = tuple(POLICY_LIMITS)
REFUSALS: dict[str, type[InvalidInput]] = {
    "threshold_percent": BadThreshold,
    "top_percent": BadTopPercent,
    "holdout_percent": BadHoldoutPercent,
    "cooldown_days": BadCooldown,
}


class WinbackChanges(TypedDict, total=False):
    threshold_percent: int
    top_percent: int
    holdout_percent: int
    cooldown_days: int


@transaction.atomic
def create_winback_policy(
    *, actor: User, community: Community | None = None, **fields: Unpack[WinbackChanges]
) -> WinbackPolicy:
    """One for the enterprise, or one for a community that is to differ. In force from the next
    scores on; alerts that are open stay as they are."""
    if community is not None and community.enterprise_id != actor.enterprise_id:
        raise BelongsElsewhere(_("这个社群属于另一家企业。"))
    policy = WinbackPolicy(enterprise_id=actor.enterprise_id, community=community, **fields)
    _refuse_nonsense(policy)
    exists = WinbackPolicyExists(_("这个范围已有流失预警规则，请修改它。"))
    with refusing(exists, constraint="one_winback_policy"):
        policy.save(force_insert=True)
    after = snapshot(policy, ("community", *FIELDS))
    record_audit(actor, verb="create_winback_policy", subject=policy, after=after)
    return policy


@transaction.atomic
def edit_winback_policy(
    policy_id: int, *, actor: User, **changes: Unpack[WinbackChanges]
) -> WinbackPolicy:
    """In force from the next scores on; alerts that are open stay as they are."""
    policy = WinbackPolicy.objects.select_for_update(no_key=True).get(pk=policy_id)
    before = snapshot(policy, FIELDS)
    for name, value in changes.items():
        setattr(policy, name, value)
    _refuse_nonsense(policy)
    after = snapshot(policy, FIELDS)
    if after == before:
        return policy
    policy.save(update_fields=list(changes))
    record_audit(actor, verb="edit_winback_policy", subject=policy, before=before, after=after)
    return policy


@transaction.atomic
def remove_winback_policy(policy_id: int, *, actor: User) -> None:
    """What holds then is the rule of the enterprise, or the defaults."""
    policy = WinbackPolicy.objects.select_for_update().get(pk=policy_id)
    before = snapshot(policy, ("community", *FIELDS))
    record_audit(actor, verb="remove_winback_policy", subject=policy, before=before)
    policy.delete()


def _refuse_nonsense(policy: WinbackPolicy) -> None:
    for name, (least, most) in POLICY_LIMITS.items():
        if not least <= getattr(policy, name) <= most:
            field: Any = WinbackPolicy._meta.get_field(name)
            words = {"field": field.verbose_name, "least": least, "most": most}
            raise REFUSALS[name](_("%(field)s应在 %(least)d 到 %(most)d 之间。") % words)
