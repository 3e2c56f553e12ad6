"""What an experiment makes of one run: who is in which arm, what an arm says, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.models import Broadcast, Experiment, Run
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
    arms = list(experiment.arms.all())
    times = {arm.number: arm.local_time for arm in arms if arm.local_time}
    zone = experiment.broadcast.enterprise.zone
    day = sending_day(run.planned_for, times.values(), zone=zone)
    return Arms(
        split=split_of(experiment) if _is_assigned_by_unit(experiment, run) else None,
        only=_only_arm(experiment, run, day),
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


def split_of(experiment: Experiment) -> Split:
    weights = {arm.number: arm.weight for arm in experiment.arms.all()}
    return Split.of(experiment.salt, weights, holdout_percent=experiment.holdout_percent)


def plan_of(experiment: Experiment) -> tuple[int, ...]:
    """The arm of each day of a switchback, from ``starts_on`` on."""
    numbers = sorted(arm.number for arm in experiment.arms.all() if arm.number != HOLD_OUT)
    return switchback_plan(experiment.salt, numbers, weeks=experiment.planned_days // WEEK)


def _is_assigned_by_unit(experiment: Experiment, run: Run) -> bool:
    if experiment.unit == ExperimentUnit.CHAT_DAY:
        return False
    return _belongs(experiment, run)


def _belongs(experiment: Experiment, run: Run) -> bool:
    """Whether a run is one of those that the experiment compares."""
    if experiment.status in {ExperimentStatus.DRAFT, ExperimentStatus.RUNNING}:
        return experiment.ends_at is None or run.started_at < experiment.ends_at
    if experiment.status == ExperimentStatus.ABANDONED:
        return False
    return experiment.ends_at is not None and run.started_at < experiment.ends_at


def _only_arm(experiment: Experiment, run: Run, day: date) -> int | None:
    if _belongs(experiment, run):
        return _arm_of_day(experiment, day) if experiment.unit == ExperimentUnit.CHAT_DAY else None
    return experiment.winner if experiment.status == ExperimentStatus.APPLIED else None


def _arm_of_day(experiment: Experiment, day: date) -> int | None:
    plan = plan_of(experiment)
    elapsed = 0 if experiment.starts_on is None else (day - experiment.starts_on).days
    return plan[elapsed] if 0 <= elapsed < len(plan) else None
