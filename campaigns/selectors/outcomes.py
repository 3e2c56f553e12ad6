"""What became of each arm of an experiment, set by set inside the database.

By intention to treat: whoever a run put into an arm counts there, reached or not. The figures of
an arm are those of a window after its own hour, and as long for every arm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from campaigns.models import Dispatch, Experiment, Run
from campaigns.rules.experiments import ExperimentMetric, ExperimentUnit
from campaigns.rules.outcomes import Arm, Unit
from campaigns.rules.statistics import Moments
from campaigns.rules.status import DeliveryStatus
from campaigns.selectors.arms import arms_in, belongs_to
from campaigns.selectors.clocks import ahead_of
from members.models import ActivityCoverage
from members.rules.activity import ActivityKind
from members.rules.status import LeaveReason
from scrm.shared.sql import Sql, sql

CURRENCY = "CNY"
BEFORE = timedelta(days=28)

# A table of its own, because only then does the planner know how many there are.
PEOPLE = """
CREATE TEMPORARY TABLE experiment_people ON COMMIT DROP AS
WITH unit AS (
    SELECT unit, min(start.arm) AS arm, min(start.since) AS since
    FROM unnest({{}}::bigint[], {{}}::smallint[], {{}}::timestamptz[]) AS start (run_id, arm, since)
    JOIN campaigns_dispatch dispatch
      ON dispatch.run_id = start.run_id AND dispatch.arm = start.arm
    CROSS JOIN unnest(dispatch.recipient_ids) AS unit
    GROUP BY unit
)
{people}
"""

MEMBERS = "SELECT unit, unit AS member_id, 0::bigint AS community_id, arm, since FROM unit"

# Whoever was in the chat when it was written to.
IN_CHATS = """
SELECT DISTINCT unit.unit, stay.member_id, chat.community_id, unit.arm, unit.since
FROM unit
JOIN communities_groupchat chat ON chat.id = unit.unit
JOIN members_stay stay ON stay.chat_id = unit.unit AND stay.joined_at <= unit.since
  AND (stay.left_at IS NULL OR stay.left_at > unit.since)
"""

ACTIVITY = """
SELECT member_id, community_id, occurred_at AS happened_at, 1 AS amount
FROM members_activityevent
WHERE enterprise_id = {} AND community_id = ANY({}) AND kind = ANY({})
  AND occurred_at >= {} AND occurred_at < {}
"""

PURCHASES = """
SELECT member_id, 0::bigint AS community_id, paid_at AS happened_at,
       paid_amount - refunded_amount AS amount
FROM members_purchase
WHERE enterprise_id = {} AND currency = {} AND refunded_amount < paid_amount
  AND paid_at >= {} AND paid_at < {}
"""

NOTHING = Sql(
    "SELECT NULL::bigint AS member_id, 0::bigint AS community_id, 0 AS amount WHERE false"
)

LEFT_COMMUNITY = """
SELECT member_id, left_at FROM members_membership
WHERE community_id = ANY({}) AND leave_reason = {} AND left_at >= {} AND left_at < {}
"""

LEFT_CHAT = """
SELECT stay.member_id, stay.chat_id, stay.left_at
FROM members_stay stay
WHERE stay.chat_id IN (SELECT unit FROM experiment_people)
  AND stay.leave_reason = {} AND stay.left_at >= {} AND stay.left_at < {}
"""

OUTCOMES = """
WITH span (arm, since, until) AS MATERIALIZED (
    SELECT * FROM unnest({{}}::smallint[], {{}}::timestamptz[], {{}}::timestamptz[])
),
after AS (
    SELECT people.unit, people.member_id, {figure} AS y
    FROM experiment_people people JOIN span ON span.arm = people.arm
    JOIN ({{}}) fact ON fact.member_id = people.member_id {there}
      AND fact.happened_at >= greatest(span.since, people.since) AND fact.happened_at < span.until
    GROUP BY people.unit, people.member_id
),
before AS (
    SELECT people.unit, people.member_id, {figure} AS x
    FROM experiment_people people JOIN ({{}}) fact ON fact.member_id = people.member_id {there}
    GROUP BY people.unit, people.member_id
),
gone AS (
    SELECT DISTINCT people.unit, people.member_id
    FROM experiment_people people JOIN span ON span.arm = people.arm
    JOIN ({{}}) leaver ON leaver.member_id = people.member_id {gone_from}
      AND leaver.left_at >= greatest(span.since, people.since) AND leaver.left_at < span.until
),
reached AS (
    SELECT DISTINCT recipient_id AS unit FROM campaigns_delivery
    WHERE run_id = ANY({{}}) AND status = {{}}
)
"""

PER_ARM = """
SELECT people.arm, count(*), count(reached.unit), count(gone.unit),
       coalesce(sum(y), 0)::float8, coalesce(sum(y::float8 * y), 0),
       coalesce(sum(x), 0)::float8, coalesce(sum(x::float8 * x), 0),
       coalesce(sum(x::float8 * y), 0)
FROM experiment_people people
LEFT JOIN after USING (unit, member_id)
LEFT JOIN before USING (unit, member_id)
LEFT JOIN gone USING (unit, member_id)
LEFT JOIN reached ON reached.unit = people.unit
GROUP BY people.arm ORDER BY people.arm
"""

PER_CHAT = """
SELECT people.unit, people.arm, count(*), count(reached.unit) > 0, count(gone.unit),
       coalesce(sum(y), 0)::float8, coalesce(sum(x), 0)::float8
FROM experiment_people people
LEFT JOIN after USING (unit, member_id)
LEFT JOIN before USING (unit, member_id)
LEFT JOIN gone USING (unit, member_id)
LEFT JOIN reached ON reached.unit = people.unit
GROUP BY people.unit, people.arm ORDER BY people.unit
"""

KINDS = {
    ExperimentMetric.INTERACTED: tuple(ActivityKind.values),
    ExperimentMetric.CLICKED: (ActivityKind.CLICK.value,),
}


@dataclass(frozen=True, slots=True)
class Start:
    """An arm of a run, and the window in which its figures count."""

    run_id: int
    arm: int
    since: datetime
    until: datetime


def starts_of(experiment: Experiment, *, now: datetime) -> list[list[Start]]:
    """The arms of each run that has been sent, for as long as every arm of that run was to be
    seen. ``now`` is the platform's."""
    ahead = ahead_of(experiment.broadcast)
    runs = [_starts(experiment, run, ahead=ahead, now=now) for run in _runs_sent(experiment)]
    return [starts for starts in runs if starts]


def is_measured(experiment: Experiment, starts: Sequence[Start]) -> bool:
    """Whether anything tells us of activity there. Orders come with the shop."""
    if experiment.metric not in KINDS:
        return True
    since, until = min(one.since for one in starts), max(one.until for one in starts)
    sources = ActivityCoverage.objects.filter(
        community__in=experiment.broadcast.communities.values("pk"),
        covered_from__lte=since,
        covered_to__gt=since,
    )
    return since < until and sources.exists()


def member_arms(experiment: Experiment, starts: Sequence[Start]) -> list[Arm]:
    """Of an experiment with members: sums over the people of each arm, the hold-out with them."""
    counts_amount = experiment.metric == ExperimentMetric.SPENT
    rows = _outcomes(experiment, starts, per=PER_ARM, looks_back=counts_amount)
    return [
        Arm(number, n, reached, left, Moments(n, y, yy, x, xx, xy))
        for number, n, reached, left, y, yy, x, xx, xy in rows
    ]


def chat_arms(experiment: Experiment, starts: Sequence[Start]) -> list[Arm]:
    """Of an experiment with chats: each chat with the rate of its people."""
    units: dict[int, list[Unit]] = {}
    reached: dict[int, int] = {}
    rows = _outcomes(experiment, starts, per=PER_CHAT, looks_back=True)
    for _chat, arm, people, was_reached, left, y, x in rows:
        units.setdefault(arm, []).append(Unit(people, y / people, x / people, left))
        reached[arm] = reached.get(arm, 0) + was_reached * people
    return [Arm.of_units(arm, units[arm], reached=reached[arm]) for arm in sorted(units)]


def day_arms(experiment: Experiment, runs: Sequence[Sequence[Start]]) -> list[Arm]:
    """Of a switchback: each day with the rate of the people in all its chats."""
    zone = experiment.broadcast.enterprise.zone
    units: dict[int, list[Unit]] = {}
    reached: dict[int, int] = {}
    for starts in runs:
        (start,) = starts
        weekday = start.since.astimezone(zone).weekday()
        rows = _outcomes(experiment, starts, per=PER_CHAT, looks_back=False)
        people = sum(row[2] for row in rows)
        if not people:
            continue
        day = Unit(
            people, sum(row[5] for row in rows) / people, 0.0, sum(row[4] for row in rows), weekday
        )
        units.setdefault(start.arm, []).append(day)
        seen = sum(row[2] for row in rows if row[3])
        reached[start.arm] = reached.get(start.arm, 0) + seen
    return [Arm.of_units(arm, units[arm], reached=reached[arm]) for arm in sorted(units)]


def _runs_sent(experiment: Experiment) -> Iterable[Run]:
    sent = Dispatch.objects.filter(run=OuterRef("pk"), attempted_at__isnull=False)
    runs = Run.objects.filter(broadcast=experiment.broadcast_id)
    return runs.filter(Exists(sent)).order_by("planned_for")


def _starts(experiment: Experiment, run: Run, *, ahead: timedelta, now: datetime) -> list[Start]:
    arms = arms_in(experiment, run)
    if not belongs_to(experiment, run, arms.day):
        return []
    begun = max(run.planned_for, run.started_at)
    hours = arms.instants
    since = {arm: max(hours.get(arm, begun), begun) + ahead for arm in arms.numbers}
    window = timedelta(hours=experiment.window_hours)
    seen = min(window, now - max(since.values()))
    if seen <= timedelta(0):
        return []
    return [Start(run.pk, arm, since[arm], since[arm] + seen) for arm in arms.numbers]


def _outcomes(
    experiment: Experiment, starts: Sequence[Start], *, per: str, looks_back: bool
) -> list[tuple[Any, ...]]:
    people = MEMBERS if experiment.unit == ExperimentUnit.MEMBER else IN_CHATS
    assigned = sql(
        PEOPLE.format(people=people),
        [one.run_id for one in starts],
        [one.arm for one in starts],
        [one.since for one in starts],
    )
    statement = _statement(experiment, starts, per=per, looks_back=looks_back)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(assigned.text, assigned.params)
        cursor.execute("ANALYZE experiment_people")
        cursor.execute(statement.text, statement.params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        cursor.execute("DROP TABLE experiment_people")
    return rows


def _statement(
    experiment: Experiment, starts: Sequence[Start], *, per: str, looks_back: bool
) -> Sql:
    to_members = experiment.unit == ExperimentUnit.MEMBER
    since, until = min(one.since for one in starts), max(one.until for one in starts)
    spans = spans_of(starts)
    there = experiment.metric in KINDS and not to_members
    template = OUTCOMES.format(
        figure="sum(fact.amount)" if experiment.metric == ExperimentMetric.SPENT else "1",
        there="AND fact.community_id = people.community_id" if there else "",
        gone_from="" if to_members else "AND leaver.chat_id = people.unit",
    )
    return sql(
        template + per,
        [arm for arm, _, _ in spans],
        [begin for _, begin, _ in spans],
        [end for _, _, end in spans],
        _facts(experiment, since, until),
        _facts(experiment, since - BEFORE, since) if looks_back else NOTHING,
        _leavers(experiment, since, until),
        list({one.run_id for one in starts}),
        DeliveryStatus.DELIVERED.value,
    )


def spans_of(starts: Sequence[Start]) -> list[tuple[int, datetime, datetime]]:
    """The windows of each arm without overlaps, so that nothing counts twice."""
    spans: list[tuple[int, datetime, datetime]] = []
    for start in sorted(starts, key=lambda one: (one.arm, one.since)):
        if spans and spans[-1][0] == start.arm and start.since <= spans[-1][2]:
            arm, since, until = spans[-1]
            spans[-1] = (arm, since, max(until, start.until))
        else:
            spans.append((start.arm, start.since, start.until))
    return spans


def _facts(experiment: Experiment, since: datetime, until: datetime) -> Sql:
    enterprise_id = experiment.broadcast.enterprise_id
    if experiment.metric in KINDS:
        kinds = list(KINDS[ExperimentMetric(experiment.metric)])
        return sql(ACTIVITY, enterprise_id, _communities(experiment), kinds, since, until)
    return sql(PURCHASES, enterprise_id, CURRENCY, since, until)


def _leavers(experiment: Experiment, since: datetime, until: datetime) -> Sql:
    by_himself = LeaveReason.SELF.value
    if experiment.unit == ExperimentUnit.MEMBER:
        return sql(LEFT_COMMUNITY, _communities(experiment), by_himself, since, until)
    return sql(LEFT_CHAT, by_himself, since, until)


def _communities(experiment: Experiment) -> list[int]:
    return list(experiment.broadcast.communities.values_list("pk", flat=True))
