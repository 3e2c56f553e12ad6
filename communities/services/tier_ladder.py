"""What holds between the tiers of a scheme."""

from __future__ import annotations

from itertools import pairwise

from django.utils.translation import gettext as _

from communities.errors import TierBelowItsNeighbour, TierNeedsCriterion
from communities.models import Tier, TierScheme
from communities.rules.ladder import Slip, slips
from scrm.shared.criteria import Criterion, InvalidCriterion, parse_criterion
from scrm.shared.criterion_words import describe_clause


def refuse_bad_ladder(scheme: TierScheme) -> None:
    """Refuse a scheme in which a tier asks nothing, or less than the one below it asks."""
    tiers = list(scheme.tiers.order_by("rank"))
    for tier in tiers[1:]:
        if not tier.criterion:
            raise TierNeedsCriterion(
                _("只有最低一级可以没有门槛，请给“%(tier)s”写明门槛。") % {"tier": tier.name}
            )
    for lower, higher in pairwise(tiers):
        found = slips(_criterion_of(higher), _criterion_of(lower))
        if found:
            raise _below(higher, lower, found[0])


def _criterion_of(tier: Tier) -> Criterion:
    """As it lies in the database; one whose metric no longer exists is not compared."""
    try:
        return parse_criterion(tier.criterion)
    except InvalidCriterion:
        return Criterion()


def _below(higher: Tier, lower: Tier, slip: Slip) -> TierBelowItsNeighbour:
    names = {
        "higher": higher.name,
        "lower": lower.name,
        "asked": describe_clause(slip.higher),
        "below": describe_clause(slip.lower),
    }
    return TierBelowItsNeighbour(
        _("“%(higher)s”要求“%(asked)s”，比下一级“%(lower)s”的“%(below)s”还低，请提高。") % names,
        details={
            "tier": higher.name,
            "neighbour": lower.name,
            "clause": slip.higher.metric,
            "value": slip.higher.value,
            "neighbour_value": slip.lower.value,
        },
    )
