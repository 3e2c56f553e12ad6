"""What an experiment makes of one run: who is in which arm, what an arm says, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.models import Broadcast, Experiment, Run, Schedule
from campaigns.rules.arms import BUCKET_SQL, WEEK, Split, instant_at, sending_day, switchback_plan
from campaigns.rules.experiments import HOLD_OUT, ExperimentStatus, ExperimentUnit
from scrm.shared.sql import Sql, sql

NO_ARM = Sql("NULL::smallint")


@dataclass(frozen=True, slots=True)
class Arms:
    """The arms of one run. ``only`` is the one that everybody is in: of a day of a switchback, or
    the winner that was applied. With neither ``split`` nor ``only`` nobody is assigned any more,
    but what was assigned before still says what it said."""

    split: Split | None
    only: int | None
    bodies: dict[int, str]
    times: dict[int, time]
    day: date
    zone: ZoneInfo

    def sql(self, column: str) -> Sql:
        """The arm of the recipient whose id stands in this column: a smallint, 0 is the hold-out,
        NULL without one."""
        if self.only is not None:
            return sql("{}::smallint", self.only)
        if self.split is None:
            return NO_ARM
        bucket = sql(BUCKET_SQL, f"{self.split.salt}:", Sql(column))
        return sql(
            "({}::smallint[])[width_bucket({}, {}::int[])]",
            list(self.split.numbers),
            bucket,
            list(self.split.starts),
        )

    def body(self, arm: int | None) -> str | None:
        """What this arm says; None: as the broadcast does."""
        return self.bodies.get(self.only if arm is None and self.only is not None else arm or 0)

    def due_at(self, arm: int | None) -> datetime | None:
        """When this arm is sent; None: as soon as the run sends."""
        at = self.times.get(self.only if arm is None and self.only is not None else arm or 0)
        return None if at is None else instant_at(self.day, at, zone=self.zone)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Every arm that a dispatch of this run can have, the hold-out with them."""
        if self.only is not None:
            return (self.only,)
        return self.split.numbers if self.split else ()

    @property
    def instants(self) -> dict[int, datetime]:
        """When each arm with an hour of its own is sent; the hold-out is watched from the first."""
        own = {number: self.due_at(number) for number in self.numbers if number in self.times}
        instants = {number: instant for number, instant in own.items() if instant is not None}
        if instants and HOLD_OUT in self.numbers:
            instants[HOLD_OUT] = min(instants.values())
        return instants


def arms_of(run: Run) -> Arms | None:
    """None: the broadcast is no experiment, and everybody gets the same."""
    experiment = (
        Experiment.objects.filter(broadcast=run.broadcast_id)
        .select_related("broadcast__enterprise")
        .prefetch_related("arms")
        .first()
    )
    if experiment is None:
        return None
    return arms_in(experiment, run)


def arms_in(experiment: Experiment, run: Run) -> Arms:
    """For an experiment read with its arms, its broadcast and its enterprise."""
    arms = list(experiment.arms.all())
    times = {arm.number: arm.local_time for arm in arms if arm.local_time}
    zone = experiment.broadcast.enterprise.zone
    day = sending_day(run.planned_for, times.values(), zone=zone)
    is_compared = belongs_to(experiment, run, day)
    is_by_day = experiment.unit == ExperimentUnit.CHAT_DAY
    only = experiment.winner if experiment.status == ExperimentStatus.APPLIED else None
    if is_compared:
        only = plan_of(experiment)[days_into(experiment, day)] if is_by_day else None
    return Arms(
        split=split_of(experiment) if is_compared and not is_by_day else None,
        only=only,
        bodies={arm.number: arm.body for arm in arms if arm.body},
        times=times,
        day=day,
        zone=zone,
    )


def experiment_facts(broadcast: Broadcast) -> dict[str, Any] | None:
    """What an approval covers of the experiment: never its state or its winner."""
    experiment = Experiment.objects.filter(broadcast=broadcast.pk).prefetch_related("arms").first()
    if experiment is None:
        return None
    arms = sorted(experiment.arms.all(), key=lambda arm: arm.number)
    return {
        "kind": experiment.kind,
        "unit": experiment.unit,
        "holdout_percent": experiment.holdout_percent,
        "planned_days": experiment.planned_days,
        "arms": [
            {
                "number": arm.number,
                "weight": arm.weight,
                "body": arm.body,
                "local_time": arm.local_time.isoformat() if arm.local_time else None,
            }
            for arm in arms
        ],
    }


def is_recurring(broadcast_id: int) -> bool:
    return Schedule.objects.filter(broadcast=broadcast_id).exists()


def split_of(experiment: Experiment) -> Split:
    weights = {arm.number: arm.weight for arm in experiment.arms.all()}
    return Split.of(experiment.salt, weights, holdout_percent=experiment.holdout_percent)


def plan_of(experiment: Experiment) -> tuple[int, ...]:
    """The arm of each day of a switchback, from ``starts_on`` on."""
    numbers = sorted(arm.number for arm in experiment.arms.all())
    return switchback_plan(experiment.salt, numbers, weeks=experiment.planned_days // WEEK)


def days_into(experiment: Experiment, day: date) -> int:
    """How many days an experiment has run on this day; one that has not begun begins there."""
    return 0 if experiment.starts_on is None else (day - experiment.starts_on).days


def belongs_to(experiment: Experiment, run: Run, day: date) -> bool:
    """Whether a run is one of those that the experiment compares. What it assigned while it ran
    stays as it is."""
    if not 0 <= days_into(experiment, day) < experiment.planned_days:
        return False
    if experiment.starts_on is None:
        return experiment.status == ExperimentStatus.DRAFT
    is_running = experiment.status == ExperimentStatus.RUNNING
    return is_running or (experiment.ends_at is not None and run.started_at < experiment.ends_at)
