"""Looking at experiments: as often as one likes before the end, once and for all after it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, Sum
from django.utils.translation import gettext as _

from campaigns.errors import CannotMoveExperiment, ReasonMissing, TooEarly
from campaigns.models import Experiment
from campaigns.rules.experiments import ExperimentStatus, ExperimentUnit
from campaigns.rules.outcomes import Arm, Question
from campaigns.selectors.arms import split_of
from campaigns.selectors.clocks import ahead_of
from campaigns.selectors.outcomes import (
    Start,
    chat_arms,
    day_arms,
    is_measured,
    member_arms,
    starts_of,
)
from campaigns.services.experimenting import locked_experiment
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.clock import database_now

logger = logging.getLogger(__name__)

AT_ONCE = 50_000  # recipients that an experiment may have for somebody to wait for its figures
LOOK_EVERY = timedelta(hours=1)
SWEEP_LIMIT = 20
LOOKED_AT = frozenset({ExperimentStatus.RUNNING, ExperimentStatus.ENDED})


def evaluate_experiment(experiment_id: int, *, actor: User) -> Experiment:
    """Look now; with very many recipients in the background, as ``result_at`` then says."""
    experiment = _with_all(experiment_id)
    if experiment.status not in LOOKED_AT:
        raise CannotMoveExperiment(
            _("“%(status)s”的实验没有结果可算。") % {"status": experiment.get_status_display()}
        )
    if _is_settled_by_sequence(experiment):
        return experiment
    if _recipients_of(experiment) > AT_ONCE:
        Experiment.objects.filter(pk=experiment.pk).update(result_at=None)
        return experiment
    return _look(experiment)


def evaluate_due_experiments() -> list[int]:
    """Those that nobody has looked at for an hour, whose time is up, or that were asked for."""
    now = database_now()
    stale = Q(result_at=None) | Q(result_at__lte=now - LOOK_EVERY) | Q(ends_at__lte=now)
    due = Experiment.objects.filter(
        Q(status=ExperimentStatus.RUNNING) & stale
        | Q(status=ExperimentStatus.ENDED, result_at=None)
    )
    ids = due.order_by(F("result_at").asc(nulls_first=True)).values_list("pk", flat=True)
    return [pk for pk in ids[:SWEEP_LIMIT] if _looked_at(pk)]


def _looked_at(experiment_id: int) -> bool:
    try:
        _look(_with_all(experiment_id))
    except Exception:  # one that cannot be judged must not keep the others waiting
        logger.exception("An experiment cannot be judged.", extra={"experiment_id": experiment_id})
        return False
    return True


def end_experiment(experiment_id: int, *, actor: User) -> Experiment:
    """Before its time only by the always-valid sequence: it may be looked at at any moment, so
    that stopping at a good one is no cheating."""
    verdict = verdict_of(_with_all(experiment_id))
    with transaction.atomic():
        experiment, broadcast = locked_experiment(experiment_id)
        if experiment.status != ExperimentStatus.RUNNING:
            raise CannotMoveExperiment(
                _("“%(status)s”的实验不能提前结束。") % {"status": experiment.get_status_display()}
            )
        if not verdict["is_final"]:
            _refuse_unclear(verdict)
            verdict["is_by_sequence"] = True
            experiment.ends_at = database_now()
        _keep(experiment, verdict, status=ExperimentStatus.ENDED)
        after = {"status": experiment.status, "code": verdict["code"]}
        record_audit(actor, verb="end_experiment", subject=broadcast, after=after)
    return experiment


@transaction.atomic
def apply_winner(
    experiment_id: int, *, actor: User, arm: int | None = None, reason: str = ""
) -> Experiment:
    """From now on every run sends this arm to everybody. Another one than the verdict's needs a
    reason. Of a broadcast that runs once it only says what was decided."""
    experiment, broadcast = locked_experiment(experiment_id)
    if experiment.status != ExperimentStatus.ENDED or not experiment.result:
        raise TooEarly(_("实验到期、算出结果之后才能采用胜者。"))
    winner = experiment.result["winner"]
    chosen = winner if arm is None else arm
    if chosen is None:
        raise CannotMoveExperiment(_("结果里没有胜者；要采用其中一组，请选它并写明理由。"))
    if not experiment.arms.filter(number=chosen).exists():
        raise CannotMoveExperiment(_("没有第 %(arm)d 组。") % {"arm": chosen})
    if chosen != winner and not reason.strip():
        raise ReasonMissing(_("这一组不是结果里的胜者，请写明为什么采用它。"))
    experiment.winner, experiment.decided_by = chosen, actor
    experiment.status = ExperimentStatus.APPLIED
    experiment.save(update_fields=["winner", "decided_by", "status"])
    after = {"winner": chosen, "verdict": experiment.result["code"], "reason": reason}
    record_audit(actor, verb="apply_winner", subject=broadcast, after=after)
    return experiment


def verdict_of(experiment: Experiment) -> dict[str, Any]:
    """What the figures say at this moment, as plain JSON. Reads only."""
    from campaigns.rules.verdicts import judge  # noqa: PLC0415 - loads SciPy

    now = database_now()
    runs = starts_of(experiment, now=now + ahead_of(experiment.broadcast))
    starts = [start for run in runs for start in run]
    is_final = experiment.ends_at is not None and now >= experiment.ends_at
    question = Question(
        unit=experiment.unit,
        metric=experiment.metric,
        shares=split_of(experiment).shares,
        is_final=is_final,
        has_data=not is_final or (bool(starts) and is_measured(experiment, starts)),
    )
    return judge(question, _arms(experiment, runs, starts)).as_json()


def _arms(experiment: Experiment, runs: list[list[Start]], starts: list[Start]) -> list[Arm]:
    if not starts:
        return []
    if experiment.unit == ExperimentUnit.MEMBER:
        return member_arms(experiment, starts)
    if experiment.unit == ExperimentUnit.CHAT:
        return chat_arms(experiment, starts)
    return day_arms(experiment, runs)


def _look(experiment: Experiment) -> Experiment:
    """The figures are read without a lock; they are kept unless somebody decided meanwhile."""
    verdict = verdict_of(experiment)
    with transaction.atomic():
        locked, _broadcast = locked_experiment(experiment.pk)
        if locked.status not in LOOKED_AT or _is_settled_by_sequence(locked):
            return locked
        status = ExperimentStatus.ENDED if verdict["is_final"] else ExperimentStatus.RUNNING
        _keep(locked, verdict, status=status)
    logger.info(
        "An experiment was looked at.",
        extra={
            "experiment_id": locked.pk,
            "code": verdict["code"],
            "is_final": verdict["is_final"],
        },
    )
    return locked


def _keep(experiment: Experiment, verdict: dict[str, Any], *, status: ExperimentStatus) -> None:
    experiment.result, experiment.status = verdict, status
    experiment.result_at = database_now()
    experiment.save(update_fields=["result", "status", "result_at", "ends_at"])


def _refuse_unclear(verdict: dict[str, Any]) -> None:
    if verdict["winner"] is None:
        raise TooEarly(
            _(
                "还没到结论时间，随时可看的区间也还分不出高下。提前按当天的数字下结论，错判会多好几倍。"
            )
        )


def _is_settled_by_sequence(experiment: Experiment) -> bool:
    """Ended before its time: its figures are not looked at with the test of the end."""
    return bool(experiment.result and experiment.result.get("is_by_sequence"))


def _with_all(experiment_id: int) -> Experiment:
    experiments = Experiment.objects.select_related(
        "broadcast__enterprise", "broadcast__channel_account"
    )
    return experiments.prefetch_related("arms").get(pk=experiment_id)


def _recipients_of(experiment: Experiment) -> int:
    total = experiment.broadcast.runs.aggregate(n=Sum("recipient_count"))["n"]
    return int(total or 0)
