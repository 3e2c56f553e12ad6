"""Tier schemes and their ranks."""

from __future__ import annotations

from decimal import Decimal
from typing import TypedDict, Unpack

from django.db import transaction
from django.utils.translation import gettext as _

from communities.errors import NameTaken, RankTaken, TierNeedsCriterion
from communities.models import Tier, TierScheme
from communities.services.belonging import refuse_strangers
from communities.services.gatekeeping import refuse_unknown_references
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.criteria import Criterion
from scrm.shared.errors import refusing


class TierFields(TypedDict, total=False):
    name: str
    rank: int
    keep_factor: Decimal
    grace_days: int


@transaction.atomic
def create_tier_scheme(*, name: str, actor: User) -> TierScheme:
    with refusing(_name_taken(name), constraint="tier_scheme_name_is_unique"):
        scheme = TierScheme.objects.create(enterprise=actor.enterprise, name=name)
    record_audit(actor, verb="create_tier_scheme", subject=scheme, after={"name": name})
    return scheme


@transaction.atomic
def rename_tier_scheme(scheme_id: int, *, name: str, actor: User) -> TierScheme:
    scheme = TierScheme.objects.select_for_update(no_key=True).get(pk=scheme_id)
    before = snapshot(scheme, ["name"])
    scheme.name = name
    with refusing(_name_taken(name), constraint="tier_scheme_name_is_unique"):
        scheme.save(update_fields=["name"])
    record_audit(
        actor, verb="rename_tier_scheme", subject=scheme, before=before, after={"name": name}
    )
    return scheme


@transaction.atomic
def create_tier(
    *, scheme: TierScheme, criterion: Criterion, actor: User, **fields: Unpack[TierFields]
) -> Tier:
    """Add a rank. Only the lowest rank may go without a criterion."""
    refuse_strangers(actor.enterprise_id, [scheme])
    TierScheme.objects.select_for_update(no_key=True).get(pk=scheme.pk)
    refuse_unknown_references(criterion, enterprise_id=scheme.enterprise_id)
    tier = Tier(scheme=scheme, criterion=criterion.as_json(), **fields)
    with refusing(_rank_taken(tier.rank), constraint="tier_rank_is_unique"):
        tier.save(force_insert=True)
    _refuse_gap(scheme)
    record_audit(
        actor,
        verb="create_tier",
        subject=scheme,
        after=snapshot(tier, [*fields, "criterion"]) | {"tier": tier.pk},
    )
    return tier


@transaction.atomic
def edit_tier(
    tier_id: int,
    *,
    actor: User,
    criterion: Criterion | None = None,
    **changes: Unpack[TierFields],
) -> Tier:
    """Change a rank; without a criterion given, the tier keeps the one it has."""
    tier = (
        Tier.objects.select_for_update(no_key=True, of=("self", "scheme"))
        .select_related("scheme")
        .get(pk=tier_id)
    )
    names = [*changes, *(["criterion"] if criterion is not None else [])]
    before = snapshot(tier, names) | {"tier": tier.pk}
    for name, value in changes.items():
        setattr(tier, name, value)
    if criterion is not None:
        refuse_unknown_references(criterion, enterprise_id=tier.scheme.enterprise_id)
        tier.criterion = criterion.as_json()
    if names:
        with refusing(_rank_taken(tier.rank), constraint="tier_rank_is_unique"):
            tier.save(update_fields=names)
    _refuse_gap(tier.scheme)
    record_audit(
        actor,
        verb="edit_tier",
        subject=tier.scheme,
        before=before,
        after=snapshot(tier, names) | {"tier": tier.pk},
    )
    return tier


def _refuse_gap(scheme: TierScheme) -> None:
    """A rank above another one without a criterion would take everybody."""
    for tier in scheme.tiers.order_by("rank")[1:]:
        if not tier.criterion:
            raise TierNeedsCriterion(
                _("只有最低一级可以没有门槛，请给“%(tier)s”写明门槛。") % {"tier": tier.name}
            )


def _rank_taken(rank: int) -> RankTaken:
    return RankTaken(_("这个方案里已有级别 %(rank)d，请换一个级别。") % {"rank": rank})


def _name_taken(name: str) -> NameTaken:
    return NameTaken(_("已有名为“%(name)s”的分层方案，请换一个名称。") % {"name": name})
