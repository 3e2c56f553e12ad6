"""Changes of owner that were seen on the platform and that our rules forbid."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from communities.models import OwnershipPeriod, OwnershipViolation
from communities.rules.transfers import BrokenRule
from scrm.accounts.models import User


def raise_violations(broken: Mapping[OwnershipPeriod, Collection[BrokenRule]]) -> None:
    """These periods began against rules: alert whoever runs the community."""
    raise NotImplementedError


def review_violations() -> int:
    """End the open violations whose chat belongs again to the owner before, or to somebody who may
    own it; how many."""
    raise NotImplementedError


def accept_violation(violation_id: int, *, note: str, actor: User) -> OwnershipViolation:
    """Let a forbidden change of owner stand, and say why."""
    raise NotImplementedError
