"""Which winback rule holds, and what is planned for whom."""

from __future__ import annotations

from campaigns.models import WinbackPolicy


def policy_of(enterprise_id: int, community_id: int | None = None) -> WinbackPolicy:
    """The rule of a community, else that of the enterprise, else the defaults: not a row then."""
    policies = WinbackPolicy.objects.filter(enterprise=enterprise_id)
    for scope in dict.fromkeys((community_id, None)):
        policy = policies.filter(community=scope).first()
        if policy is not None:
            return policy
    return WinbackPolicy(enterprise_id=enterprise_id)
