"""What the scores would have been worth in the past: week by week, with the model as it would
have been, fitted before each quarter on what was known by then, and without one the shipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction

from communities.models import Community
from members.models import ScoreCheck
from members.rules.churn import HORIZON_DAYS, SHIPPED_MODEL, ChurnModel
from members.rules.churn_scoring import Numbers, features, number_of, probabilities, silence_days
from members.rules.churn_training import LEAST_CHURNERS, LEAST_ROWS, fit_logistic
from members.rules.score_checks import (
    figures_of,
    most_at_risk,
    warning_figures,
)
from members.selectors.measuring import Span, is_measured, measured_spans
from members.selectors.profiling import may_be_profiled
from members.services.array_rows import read_rows
from members.services.churn_histories import labelled_histories
from members.services.churn_labels import Labelled, closed_cuts, labelled_at, sample_of
from members.services.staging import allow_long_pass
from scrm.shared.sql import Sql, named_sql, sql

WEEK = timedelta(days=7)
HORIZON = timedelta(days=HORIZON_DAYS)
MOST_MEMBERS = 20_000  # a sample of a larger community says the same
MOST_CUTS = 60  # cut-offs to learn from, over all the quarters
WARNED_SHARE = 0.2  # of those seen lately, each week

# Every last active day that at least the horizon of silence followed, of members who had shown a
# rhythm by then. Who was not seen again is silent for good.
ENDS = """
SELECT member_id, day - DATE '2000-01-01', silent FROM (
    SELECT day.member_id, day.day, row_number() OVER days AS place,
        lead(day.day, 1, {until}::date + 36500) OVER days - day.day - 1 AS silent
    FROM members_memberday day
    JOIN members_membership membership
      ON membership.member_id = day.member_id AND membership.community_id = day.community_id
     AND membership.left_at IS NULL
    WHERE day.community_id = {community} AND day.day < {until}
      {among}
      AND {may}
    WINDOW days AS (PARTITION BY day.member_id ORDER BY day.day)
) pauses
WHERE place >= 2 AND silent >= {horizon}
  AND day >= {since} AND day < {until}::date - {horizon}
"""
END = np.dtype([("member", "i8"), ("day", "i4"), ("silent", "i4")])


@dataclass(frozen=True)
class Backtest:
    """``overall``: the figures of all weeks together; ``warnings``: see ``warning_figures``."""

    checks: list[ScoreCheck] = field(default_factory=list)
    overall: dict[str, Any] = field(default_factory=dict)
    warnings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Week:
    cut: date
    version: str
    members: Numbers
    probability: Numbers
    silence: Numbers
    fell_silent: Numbers


@transaction.atomic
def backtest_churn(community: Community, *, weeks: int, on: date) -> Backtest:
    """Score every Monday of the last weeks whose horizon was over before ``on`` and was measured,
    from the days before it, and keep the figures as checks that say they are of a backtest."""
    with connection.cursor() as cursor:
        allow_long_pass(cursor)
    spans = measured_spans(community)
    sample = sample_of([community.pk], MOST_MEMBERS)
    scored = list(_weeks(community, spans, weeks=weeks, on=on, sample=sample))
    if not scored:
        return Backtest()
    overall = figures_of(
        np.concatenate([week.probability for week in scored]),
        np.concatenate([week.silence for week in scored]),
        np.concatenate([week.fell_silent for week in scored]),
    )
    checks = [_check(community, week) for week in scored if len(week.members)]
    kept = ScoreCheck.objects.bulk_create(
        checks,
        update_conflicts=True,
        unique_fields=["community", "cut", "model_version", "is_backtest"],
        update_fields=["scored_count", "churned_count", "figures"],
    )
    return Backtest(kept, overall, _warnings(community, spans, scored, sample=sample))


def _weeks(
    community: Community, spans: list[Span], *, weeks: int, on: date, sample: list[int] | None
) -> Iterator[Week]:
    """The oldest first."""
    mondays = _mondays(spans, weeks=weeks, on=on)
    models = FormerModels(community, closed_cuts(spans, until=on, most=MOST_CUTS), sample)
    for cut in mondays:
        model = models.before(_quarter_of(cut))
        with connection.cursor() as cursor:
            rows = labelled_histories(
                cursor, community.enterprise, [community.pk], cutoff=cut, sample=sample
            )
        yield Week(
            cut,
            model.version,
            rows["member"],
            probabilities(model, features(rows, number_of(cut))),
            silence_days(rows, number_of(cut)),
            rows["came_back"] == 0,
        )


class FormerModels:
    """The model of each quarter, from the cut-offs whose horizon was over when it began."""

    def __init__(self, community: Community, cuts: list[date], sample: list[int] | None) -> None:
        self.community, self.cuts, self.sample = community, cuts, sample
        self.rows: dict[date, Labelled] = {}
        self.models: dict[date, ChurnModel] = {}

    def before(self, day: date) -> ChurnModel:
        if day not in self.models:
            self.models[day] = self.fitted(day)
        return self.models[day]

    def fitted(self, day: date) -> ChurnModel:
        known = [self.labelled(cut) for cut in self.cuts if cut + HORIZON <= day]
        values = np.vstack([np.empty((0, len(SHIPPED_MODEL.terms))), *(k.values for k in known)])
        truth = np.concatenate([np.empty(0, bool), *(k.fell_silent for k in known)])
        churners = int(truth.sum())
        if len(truth) < LEAST_ROWS or min(churners, len(truth) - churners) < LEAST_CHURNERS:
            return SHIPPED_MODEL
        version = f"backtest-c{self.community.pk}-{day:%Y%m%d}"
        fit = fit_logistic(values, truth, prior=SHIPPED_MODEL, version=version)
        return fit.model if fit.converged else SHIPPED_MODEL

    def labelled(self, cut: date) -> Labelled:
        if cut not in self.rows:
            cuts = [(cut, [self.community.pk])]
            self.rows[cut] = labelled_at(self.community.enterprise, cuts, sample=self.sample)
        return self.rows[cut]


def _mondays(spans: list[Span], *, weeks: int, on: date) -> list[date]:
    if not spans:
        return []
    last = min(on, spans[-1][1] + timedelta(days=1)) - HORIZON
    last -= timedelta(days=last.weekday())
    mondays = [last - number * WEEK for number in reversed(range(weeks))]
    return [cut for cut in mondays if is_measured(spans, cut - 2 * WEEK, cut + HORIZON)]


def _quarter_of(day: date) -> date:
    return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


def _check(community: Community, week: Week) -> ScoreCheck:
    return ScoreCheck(
        enterprise_id=community.enterprise_id,
        community=community,
        cut=week.cut,
        model_version=week.version,
        is_backtest=True,
        scored_count=len(week.members),
        churned_count=int(week.fell_silent.sum()),
        figures=figures_of(week.probability, week.silence, week.fell_silent),
    )


def _warnings(
    community: Community, spans: list[Span], scored: list[Week], *, sample: list[int] | None
) -> dict[str, Any]:
    """Had each week the share most at risk been named: how early and how rightly."""
    until, flagged = spans[-1][1] + timedelta(days=1), []
    for week in scored:
        named = week.members[most_at_risk(week.probability, WARNED_SHARE)]
        flagged.append(np.column_stack([named, np.full(len(named), number_of(week.cut))]))
    query = named_sql(
        ENDS,
        community=community.pk,
        since=scored[0].cut - HORIZON,
        until=until,
        horizon=HORIZON_DAYS,
        among=Sql("") if sample is None else sql("AND day.member_id = ANY({})", sample),
        may=may_be_profiled(community.enterprise, "day.member_id"),
    )
    with connection.cursor() as cursor:
        ends = read_rows(cursor, query, END)
    as_rows = np.column_stack([ends["member"], ends["day"], ends["silent"]])
    return warning_figures(
        np.vstack(flagged),
        as_rows,
        runs=(number_of(scored[0].cut), number_of(scored[-1].cut)),
        until=number_of(until),
    )
