"""What became of members after cut-offs in the past: the rows that a model learns from.

A cut-off counts only if somebody listened for 28 days before it and through the whole horizon
after it, and only once the horizon is over. Who left within it is not counted as silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from django.db import connection
from django.db.models import F, Func, IntegerField

from members.models import Membership
from members.rules.churn import HORIZON_DAYS
from members.rules.churn_scoring import Numbers, features, number_of, silence_days
from members.selectors.measuring import Span, is_measured
from members.services.churn_histories import labelled_histories
from members.services.staging import allow_long_pass
from scrm.accounts.models import Enterprise

EVERY = timedelta(days=HORIZON_DAYS)  # windows do not overlap, so no day is a label twice
MEASURED_BEFORE = timedelta(days=28)
ONE_DAY = timedelta(days=1)
MOST_CUTS = 39  # three years


@dataclass(frozen=True)
class Labelled:
    """Members at cut-offs: their features, active weeks and days of silence then, and whether they
    fell silent."""

    values: Numbers
    weeks: Numbers
    silence: Numbers
    fell_silent: Numbers

    def __len__(self) -> int:
        return len(self.fell_silent)

    @property
    def churners(self) -> int:
        return int(self.fell_silent.sum())


def closed_cuts(spans: list[Span], *, until: date, most: int = MOST_CUTS) -> list[date]:
    """Every 28 days back from the last cut-off whose horizon is over before ``until``, the newest
    first, as far as they were measured."""
    if not spans:
        return []
    first, last = spans[0][0], spans[-1][1]
    cut = min(until, last + ONE_DAY) - EVERY
    cuts: list[date] = []
    while cut - MEASURED_BEFORE >= first and len(cuts) < most:
        if is_measured(spans, cut - MEASURED_BEFORE, cut + EVERY):
            cuts.append(cut)
        cut -= EVERY
    return cuts


def labelled_at(
    enterprise: Enterprise,
    cuts: Iterable[tuple[date, Sequence[int]]],
    *,
    sample: Sequence[int] | None = None,
) -> Labelled:
    """The rows of cut-offs, each with the communities that were measured then."""
    values, weeks = [np.empty((0, 10))], [np.empty(0, np.int32)]
    silence, fell_silent = [np.empty(0, int)], [np.empty(0, bool)]
    with connection.cursor() as cursor:
        allow_long_pass(cursor)
        for cut, communities in cuts:
            rows = labelled_histories(cursor, enterprise, communities, cutoff=cut, sample=sample)
            values.append(features(rows, number_of(cut)))
            weeks.append(rows["weeks"])
            silence.append(silence_days(rows, number_of(cut)))
            fell_silent.append(rows["came_back"] == 0)
    return Labelled(
        np.vstack(values),
        np.concatenate(weeks),
        np.concatenate(silence),
        np.concatenate(fell_silent),
    )


def sample_of(communities: Sequence[int], most: int) -> list[int] | None:
    """As many members of large communities, always the same ones; None where all are so few."""
    members = Membership.objects.filter(community__in=communities)
    if members.count() <= most:
        return None
    spread = Func(F("member_id"), function="hashint8", output_field=IntegerField())
    ids = members.order_by(spread, "member_id").values_list("member_id", flat=True)
    return list(ids[:most])
