"""Comparing what was said with what came: once the 28 days after a weekly cut-off are over.

Who left within them, or may not be profiled any more, is not in the figures. A cut-off that
nobody measured to its end is given up after another 28 days: its silence means nothing.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from communities.models import Community
from members.models import ChurnForecast, ScoreCheck
from members.rules.churn import HORIZON_DAYS
from members.selectors.measuring import is_measured, measured_spans
from members.selectors.profiling import may_be_profiled
from members.services.staging import allow_long_pass
from scrm.shared.sql import named_sql

if TYPE_CHECKING:
    from members.rules.churn_scoring import Numbers

HORIZON = timedelta(days=HORIZON_DAYS)
REPORTED_AFTER = timedelta(days=1)  # the last day of the horizon has been heard of by then
GIVEN_UP_AFTER = timedelta(days=28)

TRUTHS = """
SELECT forecast.probability, forecast.silence_days::integer,
    (EXISTS (
        SELECT FROM members_memberday day
        WHERE day.member_id = forecast.member_id AND day.community_id = forecast.community_id
          AND day.day >= forecast.cut AND day.day < {until}
    ))::integer
FROM members_churnforecast forecast
WHERE forecast.community_id = {community} AND forecast.cut = {cut}
  AND forecast.model_version = {version}
  AND EXISTS (
      SELECT FROM members_membership membership
      WHERE membership.community_id = forecast.community_id
        AND membership.member_id = forecast.member_id
        AND (membership.left_at IS NULL OR membership.left_at >= {stayed_until})
  )
  AND {may}
"""


def next_waiting_cut(community_id: int, *, on: date) -> date | None:
    """The oldest cut-off whose horizon was over, and heard of, before ``on``."""
    waiting = ChurnForecast.objects.filter(
        community_id=community_id, cut__lte=on - HORIZON - REPORTED_AFTER
    )
    return waiting.order_by("cut").values_list("cut", flat=True).first()


def check_community(community: Community, *, on: date) -> list[ScoreCheck]:
    """Check every cut-off that can be. Asking again finds nothing left."""
    checks: list[ScoreCheck] = []
    spans = measured_spans(community)
    waiting = ChurnForecast.objects.filter(
        community=community, cut__lte=on - HORIZON - REPORTED_AFTER
    )
    for cut in sorted(set(waiting.values_list("cut", flat=True).distinct())):
        if is_measured(spans, cut, cut + HORIZON):
            checks += check_cut(community, cut)
        elif on >= cut + HORIZON + GIVEN_UP_AFTER:
            waiting.filter(cut=cut).delete()
    return checks


@transaction.atomic
def check_cut(community: Community, cut: date) -> list[ScoreCheck]:
    """The figures of one cut-off, by the model that had spoken; its forecasts are not kept."""
    with connection.cursor() as cursor:
        allow_long_pass(cursor)
    forecasts = ChurnForecast.objects.filter(community=community, cut=cut)
    checks = []
    for version in sorted(set(forecasts.values_list("model_version", flat=True).distinct())):
        figures, scored, churned = _figures(community, cut, version)
        if scored:
            checks.append(
                ScoreCheck(
                    enterprise_id=community.enterprise_id,
                    community=community,
                    cut=cut,
                    model_version=version,
                    scored_count=scored,
                    churned_count=churned,
                    figures=figures,
                )
            )
    kept = ScoreCheck.objects.bulk_create(checks, ignore_conflicts=True)
    forecasts.delete()
    return kept


def _figures(community: Community, cut: date, version: str) -> tuple[dict[str, Any], int, int]:
    from members.rules.score_checks import figures_of  # noqa: PLC0415 - loads NumPy

    truths = _truths(community, cut, version)
    fell_silent = truths["came_back"] == 0
    figures = figures_of(truths["probability"], truths["silence"], fell_silent)
    return figures, len(truths), int(fell_silent.sum())


def _truths(community: Community, cut: date, version: str) -> Numbers:
    import numpy as np  # noqa: PLC0415 - only here is it needed

    from members.services.array_rows import read_rows  # noqa: PLC0415 - loads NumPy

    until = cut + HORIZON
    query = named_sql(
        TRUTHS,
        community=community.pk,
        cut=cut,
        until=until,
        version=version,
        stayed_until=datetime.combine(until, time_of_day.min, tzinfo=community.enterprise.zone),
        may=may_be_profiled(community.enterprise, "forecast.member_id"),
    )
    layout = np.dtype([("probability", "f8"), ("silence", "i4"), ("came_back", "i4")])
    with connection.cursor() as cursor:
        return read_rows(cursor, query, layout)
