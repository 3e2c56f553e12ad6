"""The rules of who takes over what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, Unpack

from django.db import transaction
from django.utils.translation import gettext as _

from communities.errors import CustomersHaveNoCommunity, PolicyNamesNobody, PolicyTaken
from communities.models import ClassificationValue, PolicyReceiver, Tier, TransferPolicy
from communities.rules.transfers import Selection, Subject
from communities.services.belonging import refuse_strangers
from scrm.accounts.models import Staff, User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing

#: Somebody whom a policy names, for a classification or in general.
type PolicyNames = Sequence[tuple[Staff, ClassificationValue | None]]

#: Ways that ask the community of a chat; customers have none.
BY_COMMUNITY = frozenset({Selection.BACKUP_OWNER, Selection.BY_CLASSIFICATION})
FIELDS = (
    "name",
    "subject",
    "kind",
    "tier",
    "value",
    "selection",
    "fallback",
    "maximum",
    "needs_approval",
    "is_active",
)


class PolicyFields(TypedDict, total=False):
    kind: str
    tier: Tier | None
    value: ClassificationValue | None
    fallback: str
    maximum: int | None
    needs_approval: bool


class PolicyChanges(PolicyFields, total=False):
    name: str
    selection: str
    receivers: PolicyNames


@transaction.atomic
def create_policy(
    *,
    actor: User,
    name: str,
    selection: str,
    subject: str = Subject.CHAT,
    receivers: PolicyNames = (),
    **fields: Unpack[PolicyFields],
) -> TransferPolicy:
    """In force at once. ``receivers`` are named in their order: those without a classification for
    fixed receivers, those with one for the communities that have it or one below it.

    Raises ``PolicyTaken``, ``PolicyNamesNobody``, ``CustomersHaveNoCommunity``, and
    ``BelongsElsewhere`` for what is of another enterprise.
    """
    policy = TransferPolicy(
        enterprise_id=actor.enterprise_id,
        name=name,
        selection=selection,
        subject=subject,
        **fields,
    )
    _refuse_misfits(policy, receivers)
    with refusing(_taken(), constraint="one_active_policy_for_the_same_things"):
        policy.save(force_insert=True)
    _name(policy, receivers)
    record_audit(
        actor, verb="create_transfer_policy", subject=policy, after=_told(policy, receivers)
    )
    return policy


@transaction.atomic
def edit_policy(policy_id: int, *, actor: User, **changes: Unpack[PolicyChanges]) -> TransferPolicy:
    """Change what a policy says, but not its subject; ``receivers`` are replaced as a whole. Plans
    made before stay as they are. Refused as ``create_policy`` refuses."""
    policy = _locked(policy_id, actor)
    former = _names_of(policy)
    receivers = changes.pop("receivers", former)
    before = _told(policy, former)
    for name, value in changes.items():
        setattr(policy, name, value)
    _refuse_misfits(policy, receivers)
    after = _told(policy, receivers)
    if after == before:
        return policy
    with refusing(_taken(), constraint="one_active_policy_for_the_same_things"):
        policy.save(update_fields=FIELDS)
    if list(receivers) != former:
        policy.receivers.all().delete()
        _name(policy, receivers)
    record_audit(actor, verb="edit_transfer_policy", subject=policy, before=before, after=after)
    return policy


@transaction.atomic
def deactivate_policy(policy_id: int, *, actor: User) -> TransferPolicy:
    """What was planned by it remembers it."""
    return _switch(_locked(policy_id, actor), is_active=False, actor=actor)


@transaction.atomic
def reactivate_policy(policy_id: int, *, actor: User) -> TransferPolicy:
    """Raises ``PolicyTaken`` where another policy is in force for the same things."""
    return _switch(_locked(policy_id, actor), is_active=True, actor=actor)


def _switch(policy: TransferPolicy, *, is_active: bool, actor: User) -> TransferPolicy:
    if policy.is_active == is_active:
        return policy
    policy.is_active = is_active
    with refusing(_taken(), constraint="one_active_policy_for_the_same_things"):
        policy.save(update_fields=["is_active"])
    record_audit(
        actor,
        verb="reactivate_transfer_policy" if is_active else "deactivate_transfer_policy",
        subject=policy,
        before={"is_active": not is_active},
        after={"is_active": is_active},
    )
    return policy


def _locked(policy_id: int, actor: User) -> TransferPolicy:
    policies = TransferPolicy.objects.visible_to(actor).select_related(
        "tier__scheme", "value__axis"
    )
    return policies.select_for_update(no_key=True, of=("self",)).get(pk=policy_id)


def _refuse_misfits(policy: TransferPolicy, receivers: PolicyNames) -> None:
    values = [value for _staff, value in receivers if value is not None]
    refuse_strangers(
        policy.enterprise_id,
        [
            None if policy.tier is None else policy.tier.scheme,
            None if policy.value is None else policy.value.axis,
            *(staff for staff, _value in receivers),
            *(value.axis for value in values),
        ],
    )
    ways = {policy.selection, policy.fallback}
    if policy.subject == Subject.CUSTOMER and (
        ways & BY_COMMUNITY or policy.kind or policy.tier or policy.value
    ):
        raise CustomersHaveNoCommunity(
            _("客户不属于某一个社群：请不要按社群选接手人，也不要限定社群的类型、层级或分类。")
        )
    if Selection.FIXED in ways and len(values) == len(receivers):
        raise PolicyNamesNobody(_("“固定人选”至少要有一位不带分类的接手人。"))
    if Selection.BY_CLASSIFICATION in ways and not values:
        raise PolicyNamesNobody(_("“按分类指定”至少要有一位带分类的接手人。"))


def _names_of(policy: TransferPolicy) -> list[tuple[Staff, ClassificationValue | None]]:
    named = policy.receivers.select_related("staff", "value__axis").order_by("pk")
    return [(each.staff, each.value) for each in named]


def _name(policy: TransferPolicy, receivers: PolicyNames) -> None:
    PolicyReceiver.objects.bulk_create(
        PolicyReceiver(policy=policy, staff=staff, value=value)
        for staff, value in dict.fromkeys(receivers)
    )


def _taken() -> PolicyTaken:
    return PolicyTaken(_("同样的适用范围已有一条启用的规则：请修改那一条，或先停用它。"))


def _told(policy: TransferPolicy, receivers: PolicyNames) -> dict[str, object]:
    names = [{"staff": staff, "value": value} for staff, value in receivers]
    return snapshot(policy, FIELDS) | {"receivers": names}
