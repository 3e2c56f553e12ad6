"""The rules of who takes over what."""

from __future__ import annotations

from collections.abc import Sequence

from communities.models import ClassificationValue, Tier, TransferPolicy
from communities.rules.transfers import Subject
from scrm.accounts.models import Staff, User

#: Somebody whom a policy names, for a classification or in general.
type PolicyNames = Sequence[tuple[Staff, ClassificationValue | None]]


def create_policy(
    *,
    actor: User,
    name: str,
    selection: str,
    subject: str = Subject.CHAT,
    kind: str = "",
    tier: Tier | None = None,
    value: ClassificationValue | None = None,
    fallback: str = "",
    maximum: int | None = None,
    needs_approval: bool = True,
    receivers: PolicyNames = (),
) -> TransferPolicy:
    raise NotImplementedError


def edit_policy(policy_id: int, *, actor: User, **changes: object) -> TransferPolicy:
    """Change any argument of ``create_policy`` but the subject; ``receivers`` are replaced as a
    whole. Plans made before stay as they are."""
    raise NotImplementedError


def deactivate_policy(policy_id: int, *, actor: User) -> TransferPolicy:
    raise NotImplementedError


def reactivate_policy(policy_id: int, *, actor: User) -> TransferPolicy:
    """Refused where another policy is in force for the same things."""
    raise NotImplementedError
