"""Recency, frequency and monetary value as scores from 1 to 5, and the kinds of customers that
follow from them (Hughes 1994; the cuts of frequency and the kinds are editable conventions).

Recency and amount are quintiles: the average rank of a value as a share of all, times five,
rounded up. So equal values get equal scores, whatever else ties. Frequency has fixed cuts, because
most people tie at one purchase and quintiles of that would be drawn by lot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from members.rules.values import RfmSegment

SCORES = 5
#: Days of purchase from which on the frequency scores 1, 2, 3, 4, 5.
PURCHASE_CUTS = (1, 2, 3, 4, 6)
#: Days active within 90: once, each month, each fortnight, each week, twice a week.
ACTIVITY_CUTS = (1, 3, 6, 13, 26)
ACTIVITY_DAYS = 90
#: Quintiles of fewer buyers than this say nothing; then signs of life are scored instead.
FEWEST_BUYERS = 30

POST_WEIGHT, MESSAGE_WEIGHT, OTHER_WEIGHT = 4, 2, 1


class RfmBasis(TextChoices):
    """What recency, frequency and value are of."""

    PURCHASES = "purchases", _("按购买")
    ACTIVITY = "activity", _("按活跃")


@dataclass(frozen=True, slots=True)
class RfmCuts:
    """The least values of the scores: of recency and amount from 2 on, as far as anybody got; of
    frequency from 1 on. A score that nobody has begins where the next one does."""

    basis: RfmBasis
    recency: tuple[date, ...]
    frequency: tuple[int, ...]
    monetary: tuple[int, ...]


def basis_of(buyer_count: int, active_count: int) -> RfmBasis:
    """Purchases, unless there are too few buyers and there is activity to go by."""
    if buyer_count < FEWEST_BUYERS and active_count:
        return RfmBasis.ACTIVITY
    return RfmBasis.PURCHASES


def cuts_from[V: (date, int)](least: Mapping[int, V]) -> tuple[V, ...]:
    """The cuts from 2 on, given the least value of each score that somebody has."""
    cuts: list[V] = []
    for score in range(SCORES, 1, -1):
        if score in least:
            cuts.append(least[score])
        elif cuts:
            cuts.append(cuts[-1])
    return tuple(reversed(cuts))


def score_by_cuts[V: (date, int)](value: V, cuts: tuple[V, ...]) -> int:
    return 1 + sum(1 for cut in cuts if value >= cut)


def segment_of(recency: int, frequency: int) -> RfmSegment | None:
    """The kind of customer; None for who was not scored."""
    if not recency or not frequency:
        return None
    if recency >= 4:
        if frequency >= 4:
            return RfmSegment.CHAMPIONS
        return RfmSegment.LOYAL if frequency >= 2 else RfmSegment.NEW
    if recency == 3:
        return RfmSegment.NEEDS_ATTENTION
    return RfmSegment.AT_RISK if frequency >= 3 else RfmSegment.HIBERNATING
