"""The daily scoring: who is about to fall silent, community by community, slice by slice.

Only what is known before the scored day goes in, so deleting that day and all later ones changes
no score. Every step is kept with how far it got; a worker that dies is succeeded by another.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day

from django.db import connection, transaction

from communities.models import Community
from members.models import ActivityCoverage, ChurnScore, DailyRun
from members.rules.churn import MINIMUM_DAYS, SHIPPED_MODEL, History, score
from members.rules.daily_runs import DailyRunKind
from members.services.daily_runs import (
    claim_run,
    enterprises_due,
    finish_run,
    keep_run,
    leave_run,
)
from members.services.staging import copy_lines, temporary_table
from members.signals import churn_scored
from scrm.accounts.models import Enterprise

SLICE = 20_000  # members in one step: memory does not depend on the size of a community
SCORED_FROM = time_of_day(3)  # local time; by then yesterday has been reported
# Silence can be told from not listening when a source has listened for this long, until now.
MEASURED_BEFORE = timedelta(days=14)
MEASURED_GRACE = timedelta(days=3)

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
HISTORIES = """
WITH known AS (
    SELECT day.member_id, day.day, day.thread_count,
           day.message_count + day.post_count + day.comment_count + day.checkin_count
           + day.click_count + day.other_count AS signs
    FROM members_membership membership JOIN members_memberday day
      ON day.member_id = membership.member_id AND day.community_id = membership.community_id
    WHERE membership.community_id = %(community)s
      AND membership.left_at IS NULL
      AND membership.member_id > %(after)s AND membership.member_id <= %(upto)s
      AND day.day < %(cutoff)s
)
SELECT member_id,
    min(day), max(day), count(*), sum(signs)::bigint,
    count(*) FILTER (WHERE day >= %(cutoff)s - 14),
    count(*) FILTER (WHERE day >= %(cutoff)s - 28),
    count(*) FILTER (WHERE day >= %(cutoff)s - 112),
    coalesce(sum(signs) FILTER (WHERE day >= %(cutoff)s - 28), 0)::bigint,
    coalesce(sum(signs) FILTER (WHERE day < %(cutoff)s - 28 AND day >= %(cutoff)s - 56), 0)::bigint,
    coalesce(sum(thread_count) FILTER (WHERE day >= %(cutoff)s - 28), 0)::bigint
FROM known
GROUP BY member_id
HAVING count(*) >= %(minimum)s
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


@dataclass(frozen=True)
class ScoringResult:
    """``is_measured`` tells "nobody to score" from "nobody listened"."""

    community_id: int
    is_measured: bool
    scored: int


@dataclass(frozen=True)
class Slice:
    """The members up to ``upto`` are scored. None: there were no more."""

    upto: int | None
    scored: int


def score_community(community_id: int, *, on: date) -> ScoringResult:
    """Score everybody in a community on the strength of the days before ``on``.

    A community that no source measures is left alone: its silence means nothing. Scoring the same
    day again changes only what has become known since.
    """
    community = Community.objects.select_related("enterprise").get(pk=community_id)
    if not is_measured(community, on=on):
        return ScoringResult(community_id, is_measured=False, scored=0)
    scored, after = 0, 0
    while True:
        step = score_slice(community, on=on, after=after)
        scored += step.scored
        if step.upto is None:
            break
        after = step.upto
    finish_community(community, on=on)
    return ScoringResult(community_id, is_measured=True, scored=scored)


def score_enterprise(enterprise: Enterprise, *, on: date) -> list[ScoringResult]:
    """Score every community of an enterprise at once, without a run to resume."""
    ids = enterprise.communities.order_by("pk").values_list("pk", flat=True)
    return [score_community(community_id, on=on) for community_id in ids]


def is_measured(community: Community, *, on: date) -> bool:
    start = datetime.combine(on, time_of_day.min, tzinfo=community.enterprise.zone)
    sources = ActivityCoverage.objects.filter(community=community)
    return sources.measuring(start - MEASURED_BEFORE, start - MEASURED_GRACE).exists()


@transaction.atomic
def score_slice(community: Community, *, on: date, after: int) -> Slice:
    """Score the next members, in the order of their ids."""
    values: dict[str, int | str | date] = {
        "enterprise": community.enterprise_id,
        "community": community.pk,
        "cutoff": on,
        "after": after,
        "slice": SLICE,
        "minimum": MINIMUM_DAYS,
        "version": SHIPPED_MODEL.version,
    }
    with connection.cursor() as cursor:
        cursor.execute(SLICE_END, values)
        (upto,) = cursor.fetchone()
        if upto is None:
            return Slice(None, 0)
        cursor.execute(HISTORIES, {**values, "upto": upto})
        histories = cursor.fetchall()
        temporary_table(cursor, "churn_stage", STAGE_COLUMNS)
        copy_lines(cursor, "churn_stage", _lines(histories, on))
        cursor.execute(STORE, values)
    return Slice(int(upto), len(histories))


def _lines(histories: Sequence[tuple[object, ...]], cutoff: date) -> Iterator[str]:
    for member_id, *known in histories:
        history = History._make(known)
        result = score(history, cutoff)
        yield (
            f"{member_id}\t{result.probability!r}\t{result.band.value}\t"
            f"{json.dumps(result.reasons)}\t{history.last_day}\n"
        )


@transaction.atomic
def finish_community(community: Community, *, on: date) -> None:
    """Drop the scores of those who are not scored any more, and announce the day."""
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
    if run is None:
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
    if not run.last_member_id and not is_measured(community, on=run.day):
        return keep_run(run, last_community_id=community.pk)
    step = score_slice(community, on=run.day, after=run.last_member_id)
    if step.upto is not None:
        return keep_run(
            run,
            last_community_id=community.pk,
            last_member_id=step.upto,
            member_count=run.member_count + step.scored,
        )
    finish_community(community, on=run.day)
    return keep_run(
        run,
        last_community_id=community.pk,
        last_member_id=0,
        community_count=run.community_count + 1,
    )
