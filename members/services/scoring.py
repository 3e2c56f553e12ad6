"""The daily scoring: who is about to fall silent, community by community, slice by slice.

Only what is known before the scored day goes in, so deleting that day and all later ones changes
no score. Every step is kept with how far it got; a worker that dies is succeeded by another.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models.functions import Now

from communities.models import Community
from members.models import ChurnScore, DailyRun
from members.rules.churn import RECENT_DAYS
from members.rules.daily_runs import DailyRunKind
from members.selectors.measuring import is_measured, measured_spans
from members.selectors.profiling import may_be_profiled
from members.services.churn_models import ServingModel, serving_model
from members.services.daily_runs import (
    claim_run,
    enterprises_due,
    finish_run,
    keep_run,
    leave_run,
)
from members.services.staging import allow_long_pass, copy_lines, temporary_table
from members.signals import churn_scored
from scrm.accounts.models import Enterprise
from scrm.shared.sql import named_sql

if TYPE_CHECKING:
    from members.rules.churn_scoring import Numbers

# Members in one step, whose days are read in one pass: memory does not depend on the size of a
# community. Their days lie all over the table, so fewer would read all of it more often.
SLICE = 200_000
SCORED_FROM = time_of_day(3)  # local time; by then yesterday has been reported
# Silence can be told from not listening when somebody has listened for this long, until now.
MEASURED_BEFORE = timedelta(days=14)

STAGE_COLUMNS = (
    "member_id bigint, probability float8, band text, reasons jsonb, last_active_on date"
)

SLICE_END = """
SELECT max(member_id) FROM (
    SELECT member_id FROM members_membership
    WHERE community_id = %(community)s AND left_at IS NULL AND member_id > %(after)s
    ORDER BY member_id LIMIT %(slice)s
) slice
"""
UNCONSENTED = """
SELECT count(*) FROM members_membership membership
WHERE membership.community_id = {community} AND membership.left_at IS NULL
  AND membership.member_id > {after} AND membership.member_id <= {upto}
  AND NOT {may}
"""
# A score of a later day is never replaced by one of an earlier day.
STORE = """
INSERT INTO members_churnscore AS score (
    enterprise_id, community_id, member_id, probability, band, reasons, last_active_on, scored_on,
    model_version
)
SELECT %(enterprise)s, %(community)s, member_id, probability, band, reasons, last_active_on,
       %(cutoff)s, %(version)s
FROM churn_stage ORDER BY member_id
ON CONFLICT (community_id, member_id) DO UPDATE
SET probability = EXCLUDED.probability, band = EXCLUDED.band, reasons = EXCLUDED.reasons,
    last_active_on = EXCLUDED.last_active_on, scored_on = EXCLUDED.scored_on,
    model_version = EXCLUDED.model_version
WHERE score.scored_on <= EXCLUDED.scored_on
  AND (score.probability, score.band, score.reasons, score.last_active_on, score.scored_on,
       score.model_version)
   IS DISTINCT FROM (EXCLUDED.probability, EXCLUDED.band, EXCLUDED.reasons,
       EXCLUDED.last_active_on, EXCLUDED.scored_on, EXCLUDED.model_version)
"""

# What was said first on a cut is what will be checked.
KEEP_FORECASTS = """
INSERT INTO members_churnforecast (
    community_id, cut, member_id, probability, silence_days, model_version
)
SELECT %(community)s, %(cutoff)s, member_id, probability, %(cutoff)s - last_active_on, %(version)s
FROM churn_stage WHERE last_active_on >= %(cutoff)s - %(recent)s
ORDER BY member_id
ON CONFLICT DO NOTHING
"""
MONDAY = 0
STEP_LEASE = timedelta(minutes=6)  # longer than a task may take


@dataclass(frozen=True)
class ScoringResult:
    """``is_measured`` tells "nobody to score" from "nobody listened". ``unconsented`` belong to the
    community and were not scored because they have not agreed to be profiled."""

    community_id: int
    is_measured: bool
    scored: int
    unconsented: int = 0
    model_version: str = ""


@dataclass(frozen=True)
class Slice:
    """The members up to ``upto`` are scored. None: there were no more."""

    upto: int | None
    scored: int = 0
    unconsented: int = 0


def score_community(community_id: int, *, on: date) -> ScoringResult:
    """Score everybody in a community on the strength of the days before ``on``.

    A community that no source measures is left alone: its silence means nothing. Scoring the same
    day again changes only what has become known since.
    """
    community = Community.objects.select_related("enterprise").get(pk=community_id)
    if not is_measured_on(community, on=on):
        return ScoringResult(community_id, is_measured=False, scored=0)
    scored = unconsented = after = 0
    model = serving_model(community)
    while (step := score_slice(community, on=on, after=after, model=model)).upto is not None:
        scored += step.scored
        unconsented += step.unconsented
        after = step.upto
    finish_community(community, on=on)
    return ScoringResult(
        community_id,
        is_measured=True,
        scored=scored,
        unconsented=unconsented,
        model_version=model.version,
    )


def score_enterprise(enterprise: Enterprise, *, on: date) -> list[ScoringResult]:
    """Score every community of an enterprise at once, without a run to resume."""
    ids = enterprise.communities.order_by("pk").values_list("pk", flat=True)
    return [score_community(community_id, on=on) for community_id in ids]


def is_measured_on(community: Community, *, on: date) -> bool:
    return is_measured(measured_spans(community), on - MEASURED_BEFORE, on)


@transaction.atomic
def score_slice(community: Community, *, on: date, after: int, model: ServingModel) -> Slice:
    """Score the next members, in the order of their ids. On a Monday what was said of those who
    were seen lately is kept apart, to be compared with what comes."""
    from members.services.churn_histories import histories_of  # noqa: PLC0415 - loads NumPy

    values: dict[str, int | str | date] = {
        "enterprise": community.enterprise_id,
        "community": community.pk,
        "cutoff": on,
        "after": after,
        "slice": SLICE,
        "version": model.version,
        "recent": RECENT_DAYS,
    }
    with connection.cursor() as cursor:
        cursor.execute(SLICE_END, values)
        (upto,) = cursor.fetchone()
        if upto is None:
            return Slice(None)
        allow_long_pass(cursor)
        histories = histories_of(
            cursor, community.enterprise, [community.pk], cutoff=on, after=after, upto=upto
        )
        temporary_table(cursor, "churn_stage", STAGE_COLUMNS)
        copy_lines(cursor, "churn_stage", _lines(histories, model, on))
        cursor.execute(STORE, values)
        if on.weekday() == MONDAY:
            cursor.execute(KEEP_FORECASTS, values)
        unconsented = named_sql(
            UNCONSENTED,
            community=community.pk,
            after=after,
            upto=upto,
            may=may_be_profiled(community.enterprise, "membership.member_id"),
        )
        cursor.execute(unconsented.text, unconsented.params)
        (left_out,) = cursor.fetchone()
    return Slice(int(upto), len(histories), int(left_out))


def _lines(histories: Numbers, model: ServingModel, cutoff: date) -> Iterator[str]:
    from members.rules.churn_scoring import scored_lines  # noqa: PLC0415 - loads NumPy

    return scored_lines(histories, model.logistic, model.weekly, cutoff)


@transaction.atomic
def finish_community(community: Community, *, on: date) -> None:
    """Drop the scores of those who are not scored any more, and announce the day."""
    with connection.cursor() as cursor:
        allow_long_pass(cursor)
    ChurnScore.objects.filter(community=community, scored_on__lt=on).delete()
    churn_scored.send(sender=ChurnScore, community_id=community.pk, scored_on=on)


# --- The daily run ------------------------------------------------------------------------------


def enterprises_to_score(now: datetime) -> list[tuple[int, date]]:
    return enterprises_due(DailyRunKind.SCORING, now, begins=SCORED_FROM)


def continue_scoring(enterprise_id: int, *, day: date, budget: float) -> bool:
    """Work on the scoring of a day for ``budget`` seconds. Returns whether it is finished.

    Where another worker is at it there is nothing to do, and the answer is yes.
    """
    run = claim_run(DailyRunKind.SCORING, enterprise_id, day)
    if run is None or not keep_run(run, lease_until=Now() + STEP_LEASE):
        return True
    deadline = time.monotonic() + budget
    while community := _next_community(run):
        if not _step(run, community):
            return True  # the lease was lost to somebody else
        if time.monotonic() >= deadline:
            leave_run(run)
            return False
    finish_run(run)
    return True


def _next_community(run: DailyRun) -> Community | None:
    """The one we stopped in the middle of, or the next."""
    communities = Community.objects.filter(enterprise_id=run.enterprise_id)
    if run.last_member_id:
        return communities.select_related("enterprise").get(pk=run.last_community_id)
    following = communities.filter(pk__gt=run.last_community_id).order_by("pk")
    return following.select_related("enterprise").first()


@transaction.atomic
def _step(run: DailyRun, community: Community) -> bool:
    """One slice, kept together with the place it leads to."""
    lease = Now() + STEP_LEASE
    if not run.last_member_id and not is_measured_on(community, on=run.day):
        return keep_run(run, last_community_id=community.pk, lease_until=lease)
    model = serving_model(community)
    step = score_slice(community, on=run.day, after=run.last_member_id, model=model)
    if step.upto is not None:
        unconsented = run.notes.get("unconsented", 0) + step.unconsented
        return keep_run(
            run,
            last_community_id=community.pk,
            last_member_id=step.upto,
            member_count=run.member_count + step.scored,
            notes={**run.notes, "unconsented": unconsented},
            lease_until=lease,
        )
    finish_community(community, on=run.day)
    return keep_run(
        run,
        last_community_id=community.pk,
        last_member_id=0,
        community_count=run.community_count + 1,
        lease_until=lease,
    )
