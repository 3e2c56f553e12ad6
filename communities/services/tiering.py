"""Tier schemes and their ranks."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import TypedDict, Unpack

from django.db import models, transaction
from django.utils.translation import gettext as _

from communities.errors import CodeTaken, NameTaken, RankTaken, TierInUse
from communities.models import Tier, TierScheme
from communities.rules.circles import DefinedBy, Thing
from communities.services.belonging import refuse_strangers
from communities.services.circularity import refuse_circle
from communities.services.gatekeeping import refuse_unknown_references
from communities.services.tier_ladder import refuse_bad_ladder
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.criteria import Criterion
from scrm.shared.errors import refusing

GIVEN_CODE = "tiers-"


class TierFields(TypedDict, total=False):
    name: str
    rank: int
    keep_factor: Decimal
    grace_days: int


@transaction.atomic
def create_tier_scheme(*, name: str, actor: User, code: str = "") -> TierScheme:
    """Begin a scheme. Criteria name it by its code, which never changes; without one it gets
    the next free number."""
    code = code or _free_code(actor.enterprise_id)
    with (
        refusing(_name_taken(name), constraint="tier_scheme_name_is_unique"),
        refusing(_code_taken(code), constraint="tier_scheme_code_is_unique"),
    ):
        scheme = TierScheme.objects.create(enterprise=actor.enterprise, code=code, name=name)
    told = {"name": name, "code": code}
    record_audit(actor, verb="create_tier_scheme", subject=scheme, after=told)
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
    _refuse_bad_scheme(scheme)
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
    _refuse_bad_scheme(tier.scheme)
    record_audit(
        actor,
        verb="edit_tier",
        subject=tier.scheme,
        before=before,
        after=snapshot(tier, names) | {"tier": tier.pk},
    )
    return tier


@transaction.atomic
def delete_tier(tier_id: int, *, actor: User) -> None:
    """Take a rank out that nobody has ever held and no community asks for."""
    scheme = TierScheme.objects.select_for_update(no_key=True).get(tiers=tier_id)
    tier = scheme.tiers.get(pk=tier_id)
    told = snapshot(tier, ["rank", "name", "criterion"]) | {"tier": tier.pk}
    try:
        tier.delete()
    except (models.ProtectedError, models.RestrictedError) as used:
        raise TierInUse(
            _("“%(tier)s”已有成员定级记录，或是某个社群的最低层级，不能删除；可以改名或改门槛。")
            % {"tier": tier.name}
        ) from used
    refuse_bad_ladder(scheme)
    record_audit(actor, verb="delete_tier", subject=scheme, before=told)


def _refuse_bad_scheme(scheme: TierScheme) -> None:
    """What holds for a scheme as a whole, looked at when the change is written."""
    refuse_bad_ladder(scheme)
    refuse_circle(Thing(DefinedBy.TIER_SCHEME, scheme.code), enterprise_id=scheme.enterprise_id)


def _free_code(enterprise_id: int) -> str:
    taken = set(
        TierScheme.objects.filter(
            enterprise=enterprise_id, code__startswith=GIVEN_CODE
        ).values_list("code", flat=True)
    )
    return next(code for n in count(1) if (code := f"{GIVEN_CODE}{n}") not in taken)


def _code_taken(code: str) -> CodeTaken:
    return CodeTaken(_("已有代码为“%(code)s”的分层方案，请换一个代码。") % {"code": code})


def _rank_taken(rank: int) -> RankTaken:
    return RankTaken(_("这个方案里已有级别 %(rank)d，请换一个级别。") % {"rank": rank})


def _name_taken(name: str) -> NameTaken:
    return NameTaken(_("已有名为“%(name)s”的分层方案，请换一个名称。") % {"name": name})
