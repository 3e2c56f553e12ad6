"""Experiments: written beside the draft, begun by the first run, ended by their time."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import CannotEdit, CannotMoveExperiment, ExperimentTaken
from campaigns.models import Broadcast, Experiment, ExperimentArm, Run
from campaigns.rules.arms import instant_at
from campaigns.rules.designs import FIELDS, ArmDraft, Design, design_of_rows, refuse_unsound
from campaigns.rules.experiments import ExperimentStatus, ExperimentUnit
from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.arms import Arms, arms_in, is_recurring
from campaigns.services.moving import locked_broadcast
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.clock import database_now
from scrm.shared.errors import refusing


class Draft(TypedDict, total=False):
    """What can be written about an experiment while its broadcast is a draft."""

    kind: str
    unit: str
    metric: str
    window_hours: int
    holdout_percent: int
    planned_days: int
    arms: Sequence[ArmDraft]


@transaction.atomic
def create_experiment(broadcast: Broadcast, *, actor: User, **draft: Unpack[Draft]) -> Experiment:
    """Compare arms of a broadcast that is still a draft, by one metric chosen beforehand."""
    locked = _draft_of(broadcast.pk)
    experiment = Experiment(broadcast=locked, salt=secrets.token_hex(8))
    design = _write(experiment, design_of_rows(experiment, ()), draft)
    taken = ExperimentTaken(_("这条群发已经有一个实验，请修改它，或复制一条群发。"))
    with refusing(taken, constraint="campaigns_experiment_broadcast_id_key"):
        experiment.save(force_insert=True)
    _replace_arms(experiment, design)
    record_audit(actor, verb="create_experiment", subject=locked, after=_picture(design))
    return experiment


@transaction.atomic
def edit_experiment(experiment_id: int, *, actor: User, **draft: Unpack[Draft]) -> Experiment:
    """Only while the broadcast is a draft and nothing of it was sent in arms."""
    experiment, broadcast = _locked_draft(experiment_id)
    before = design_of(experiment)
    design = _write(experiment, before, draft)
    experiment.save(update_fields=list(FIELDS))
    _replace_arms(experiment, design)
    record_audit(
        actor,
        verb="edit_experiment",
        subject=broadcast,
        before=_picture(before),
        after=_picture(design),
    )
    return experiment


@transaction.atomic
def remove_experiment(experiment_id: int, *, actor: User) -> None:
    """Send a draft to everybody alike again."""
    experiment, broadcast = _locked_draft(experiment_id)
    record_audit(
        actor,
        verb="remove_experiment",
        subject=broadcast,
        before=_picture(design_of(experiment)),
    )
    experiment.delete()


@transaction.atomic
def abandon_experiment(experiment_id: int, *, actor: User, reason: str = "") -> Experiment:
    """Compare no longer: later runs send what the broadcast says. Runs under way stay as they
    are, and there will be no verdict."""
    experiment, broadcast = locked_experiment(experiment_id)
    if experiment.status in {ExperimentStatus.APPLIED, ExperimentStatus.ABANDONED}:
        raise CannotMoveExperiment(
            _("“%(status)s”的实验不能放弃。") % {"status": experiment.get_status_display()}
        )
    was = experiment.status
    experiment.status = ExperimentStatus.ABANDONED
    experiment.decided_by = actor
    if was == ExperimentStatus.RUNNING:
        experiment.ends_at = database_now()
    experiment.save(update_fields=["status", "decided_by", "ends_at"])
    record_audit(
        actor,
        verb="abandon_experiment",
        subject=broadcast,
        before={"status": was},
        after={"status": experiment.status, "reason": reason},
    )
    return experiment


@transaction.atomic
def note_start(run_id: int) -> None:
    """A run of a broadcast begins, in the transaction that begins it.

    The first one starts the experiment. On a day of a switchback the run says whose day it is.
    """
    run = Run.objects.select_related("broadcast").get(pk=run_id)
    experiment = (
        Experiment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("broadcast__enterprise")
        .filter(broadcast=run.broadcast_id)
        .first()
    )
    if experiment is None:
        return
    arms = arms_in(experiment, run)
    if experiment.status == ExperimentStatus.DRAFT:
        _begin(experiment, arms)
    if experiment.unit == ExperimentUnit.CHAT_DAY and arms.only is not None:
        run.arm = arms.only
        run.save(update_fields=["arm"])


def design_of(experiment: Experiment) -> Design:
    return design_of_rows(experiment, experiment.arms.order_by("number"))


def _write(experiment: Experiment, design: Design, draft: Draft) -> Design:
    """The design with what was written now, in the row's columns too; refuses an unsound one."""
    changes: dict[str, Any] = dict(draft)
    if "arms" in changes:
        changes["arms"] = tuple(changes["arms"])
    design = replace(design, **changes)
    refuse_unsound(design, target=experiment.broadcast.target)
    for name in FIELDS:
        setattr(experiment, name, getattr(design, name))
    return design


def _replace_arms(experiment: Experiment, design: Design) -> None:
    experiment.arms.all().delete()
    ExperimentArm.objects.bulk_create(
        ExperimentArm(
            experiment=experiment,
            number=number,
            name=arm.name.strip(),
            weight=arm.weight,
            body=arm.body.strip(),
            local_time=arm.local_time,
        )
        for number, arm in enumerate(design.arms, start=1)
    )


def _draft_of(broadcast_id: int) -> Broadcast:
    broadcast = locked_broadcast(broadcast_id)
    _refuse_unless_draft(broadcast)
    return broadcast


def _refuse_unless_draft(broadcast: Broadcast) -> None:
    if broadcast.status != BroadcastStatus.DRAFT:
        raise CannotEdit(
            _("“%(status)s”的群发不能修改实验，请先退回草稿。")
            % {"status": broadcast.get_status_display()}
        )


def locked_experiment(experiment_id: int) -> tuple[Experiment, Broadcast]:
    """The broadcast is locked first."""
    broadcast_id = Experiment.objects.values_list("broadcast", flat=True).get(pk=experiment_id)
    broadcast = locked_broadcast(broadcast_id)
    experiment = Experiment.objects.select_for_update(no_key=True).get(pk=experiment_id)
    experiment.broadcast = broadcast
    return experiment, broadcast


def _locked_draft(experiment_id: int) -> tuple[Experiment, Broadcast]:
    experiment, broadcast = locked_experiment(experiment_id)
    _refuse_begun(experiment)
    _refuse_unless_draft(broadcast)
    return experiment, broadcast


def _refuse_begun(experiment: Experiment) -> None:
    if experiment.status != ExperimentStatus.DRAFT:
        raise CannotMoveExperiment(
            _("“%(status)s”的实验不能修改：中途改了，前后就不能比较。请放弃它，或复制一条群发。")
            % {"status": experiment.get_status_display()}
        )


def _picture(design: Design) -> dict[str, Any]:
    """What the audit keeps of a design."""
    return {
        **{name: getattr(design, name) for name in FIELDS},
        "arms": [
            {"name": arm.name, "weight": arm.weight, "body": arm.body, "time": str(arm.local_time)}
            for arm in design.arms
        ],
    }


def _begin(experiment: Experiment, arms: Arms) -> None:
    experiment.status = ExperimentStatus.RUNNING
    experiment.starts_on = arms.day
    experiment.ends_at = _end_of(experiment, arms)
    experiment.save(update_fields=["status", "starts_on", "ends_at"])


def _end_of(experiment: Experiment, arms: Arms) -> datetime:
    """When the last window closes: of a broadcast that runs once, that of its last arm."""
    window = timedelta(hours=experiment.window_hours)
    if is_recurring(experiment.broadcast_id):
        after = arms.day + timedelta(days=experiment.planned_days)
        return instant_at(after, time.min, zone=arms.zone) + window
    return max([database_now(), *arms.instants.values()]) + window
