"""Two ways to say it, compared: one trial that is over and one that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from campaigns.models import Broadcast, Delivery, Dispatch, Experiment, Run
from campaigns.rules.designs import ArmDraft
from campaigns.rules.experiments import ExperimentKind, ExperimentMetric, ExperimentUnit
from campaigns.rules.schedules import ScheduleKind
from campaigns.rules.status import DeliveryStatus
from campaigns.services.evaluating import evaluate_experiment
from campaigns.services.experimenting import create_experiment
from campaigns.services.schedules import set_schedule
from members.models import Member
from members.rules.activity import ActivityKind, RawEvent
from members.rules.purchases import RawPurchase
from members.services.ingestion import ingest_activities
from members.services.purchases import record_purchases
from members.services.tier_dues import drain_tier_dues
from scrm.demo.backdating import take_stock
from scrm.demo.contents import BY_WEIGHT, ENDED_TRIAL, MEASURED, OTHER_REMINDER, RUNNING_TRIAL
from scrm.demo.founding import Founded
from scrm.demo.library import version_of
from scrm.demo.living import ACTIVITY_SOURCE, ORDER_SOURCE
from scrm.demo.quitting import quit_after
from scrm.demo.recurring import weekly
from scrm.demo.sending import compose, finished, scheduled, sent
from scrm.demo.standing import TIERING_SECONDS

DAYS_AGO = 9
#: Of those who got it, so many click, by the arm; and so many order because of it.
CLICKING = {1: 0.05, 2: 0.24}
ORDERING = 0.07
PRICES = (8900, 12900, 16900, 23900)
LEAVING = 0.008  # and so many leave
HELD_OUT = 10  # percent
#: Who is in which arm follows from it: the same at every seeding.
SALT = "demonstration"


def try_two_texts(founded: Founded, *, seed: int) -> None:
    """Over for days, with a verdict that nobody has acted on yet."""
    broadcast = compose(
        founded, ENDED_TRIAL, "planet", content_version=version_of(founded, MEASURED)
    )
    experiment = compared(
        founded,
        broadcast,
        ArmDraft("说满减"),
        ArmDraft("按体重算", body=BY_WEIGHT),
        metric=ExperimentMetric.CLICKED,
        holdout_percent=HELD_OUT,
        planned_days=7,
    )
    at = founded.now.replace(hour=12, minute=30, second=0, microsecond=0)
    run = sent(scheduled(founded, broadcast), at=at - timedelta(days=DAYS_AGO))
    react(founded, run, Random(f"{seed}:reactions"))
    quit_after(
        run,
        founded.communities["planet"],
        share=LEAVING,
        at_least=1,
        within=timedelta(hours=60),
    )
    take_stock(run)
    evaluate_experiment(experiment.pk, actor=founded.users["yunying"])


def run_a_trial(founded: Founded) -> None:
    """Every week for four weeks; the first has been."""
    at = (founded.now - timedelta(days=4)).replace(hour=19, minute=30, second=0, microsecond=0)
    broadcast = compose(founded, RUNNING_TRIAL, "corgi")
    set_schedule(
        broadcast.pk,
        actor=founded.users["yunying"],
        kind=ScheduleKind.RECURRING,
        local_time=at.time(),
        rrule=weekly(at),
    )
    experiment = compared(
        founded,
        broadcast,
        ArmDraft("提醒称重"),
        ArmDraft("说别人在做", body=OTHER_REMINDER),
        metric=ExperimentMetric.INTERACTED,
        holdout_percent=0,
        planned_days=28,
    )
    finished(scheduled(founded, broadcast), at=at)
    evaluate_experiment(experiment.pk, actor=founded.users["yunying"])


def compared(
    founded: Founded,
    broadcast: Broadcast,
    *arms: ArmDraft,
    metric: str,
    holdout_percent: int,
    planned_days: int,
) -> Experiment:
    experiment = create_experiment(
        broadcast,
        actor=founded.users["yunying"],
        kind=ExperimentKind.TEXT,
        unit=ExperimentUnit.MEMBER,
        metric=metric,
        holdout_percent=holdout_percent,
        planned_days=planned_days,
        arms=arms,
    )
    Experiment.objects.filter(pk=experiment.pk).update(salt=SALT)
    return experiment


def react(founded: Founded, run: Run, random: Random) -> None:
    """Beyond what they do anyway: one of the two ways to say it is clicked more often."""
    reached = list(reached_by(run))
    clicks = [
        RawEvent(
            name, "planet", ActivityKind.CLICK, later(run, random), f"{name}-click-{run.pk}", ""
        )
        for name, arm in reached
        if random.random() < CLICKING[arm]
    ]
    ingest_activities(founded.enterprise, clicks, source=ACTIVITY_SOURCE, now=founded.now)
    orders = [
        RawPurchase(
            member=name,
            order_number=f"ZZT{run.pk}-{name}",
            paid_amount=random.choice(PRICES),
            paid_at=later(run, random),
        )
        for name, _arm in reached
        if random.random() < ORDERING
    ]
    record_purchases(founded.enterprise, orders, source=ORDER_SOURCE, now=founded.now)
    drain_tier_dues(budget=TIERING_SECONDS)


def reached_by(run: Run) -> Iterator[tuple[str, int]]:
    """The numbers of those who were born with the demonstration, with their arms."""
    delivered = Delivery.objects.filter(run=run, status=DeliveryStatus.DELIVERED)
    ids = delivered.values("recipient_id")
    names = dict(
        Member.objects.filter(pk__in=ids, external_id__startswith="zz0").values_list(
            "pk", "external_id"
        )
    )
    for dispatch in Dispatch.objects.filter(run=run, arm__gt=0).order_by("sequence"):
        for pk in dispatch.recipient_ids:
            if pk in names and dispatch.arm is not None:
                yield names[pk], dispatch.arm


def later(run: Run, random: Random) -> str:
    """Most answer within some hours."""
    at: datetime = run.started_at + timedelta(hours=0.2 + min(60, random.expovariate(1 / 8)))
    return at.isoformat()
