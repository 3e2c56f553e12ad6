"""The quit breaker: who left after a run, against what is usual; it stops what harms.

A run is watched from when its audience is frozen until everybody who got the message had it for as
long as the longest window. Looking costs what the leavers are, never what the audience is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from campaigns.models import Broadcast, QuitWatch, Run, SendPolicy
from campaigns.rules.breaker import WINDOWS, Verdict, judge, usual_rate
from campaigns.rules.breaker_words import task_title, trip_in_words
from campaigns.rules.guarding import WatchState
from campaigns.rules.status import VERB_BEGINS, BroadcastStatus, BroadcastTarget
from campaigns.selectors.clocks import ahead_of
from campaigns.selectors.guards import policy_of
from campaigns.selectors.leaves import (
    community_ids_of,
    exposure_of,
    leavers_of,
    usual_quits,
)
from campaigns.selectors.values import value_of
from campaigns.services.controlling import halt_broadcast
from campaigns.services.moving import locked_broadcast
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.operator_tasks import open_task, settle_task
from scrm.shared.clock import database_now

logger = logging.getLogger(__name__)

TOO_MANY_LEFT = "leaves_above_usual"
RUNS_AT_ONCE = 100
WHILE_SENDING = timedelta(seconds=50)
AFTERWARDS = timedelta(minutes=10)


def begin_watching(run_id: int) -> None:
    """Watch a run from now on. Not one that invites members to move: that they leave is the aim."""
    run = Run.objects.select_related("broadcast").get(pk=run_id)
    if run.broadcast.split_branch_id is not None:
        return
    watches = [QuitWatch(run=run, window_hours=hours, checked_at=Now()) for hours in WINDOWS]
    QuitWatch.objects.bulk_create(watches, ignore_conflicts=True)


def end_alarm(broadcast_id: int) -> None:
    """Somebody has decided whether a halted broadcast goes on: nobody has to look any more."""
    settle_task(TaskKind.BROADCAST_HALTED, subject=Broadcast.objects.get(pk=broadcast_id))


def watch_runs(*, limit: int = RUNS_AT_ONCE) -> bool:
    """Look at the runs that are due for a look; whether there are more. The sweep's verb."""
    due = runs_to_watch(limit=limit)
    for run_id in due:
        try:
            look_at(run_id)
        except Exception:  # one run must not keep the breaker from the others
            logger.exception("A run was not looked at.", extra={"run_id": run_id})
            QuitWatch.objects.watching().filter(run=run_id).update(checked_at=Now())
    return len(due) == limit


def runs_to_watch(*, limit: int) -> list[int]:
    """Those that send are looked at every minute, the others every ten."""
    now = database_now()
    sending = Q(run__broadcast__status=BroadcastStatus.RUNNING, run__finished_at=None)
    due = QuitWatch.objects.watching().filter(
        Q(checked_at__lte=now - AFTERWARDS) | sending, checked_at__lte=now - WHILE_SENDING
    )
    runs = due.order_by("checked_at").values_list("run_id", flat=True)[: limit * len(WINDOWS)]
    return list(dict.fromkeys(runs))[:limit]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a run: what is the same for both windows."""

    run: Run
    policy: SendPolicy
    community_ids: list[int]
    people: int
    began_at: datetime
    now: datetime
    ahead: timedelta


def look_at(run_id: int) -> None:
    """Bring the watches of a run up to date, and halt its broadcast where one trips."""
    parts = Run.objects.select_related("broadcast__channel_account", "broadcast__enterprise")
    run = parts.get(pk=run_id)
    watches = list(QuitWatch.objects.watching().filter(run=run).order_by("window_hours"))
    ahead = ahead_of(run.broadcast)
    exposure = exposure_of(run, ahead=ahead)
    now = database_now()
    if exposure.began_at is None:
        _rest(run, now=now)
        return
    look = Look(
        run=run,
        policy=policy_of(run.broadcast.enterprise_id),
        community_ids=community_ids_of(run.broadcast),
        people=exposure.people,
        began_at=exposure.began_at,
        now=now + ahead,
        ahead=ahead,
    )
    _learn_the_usual(watches, look)
    for watch in watches:
        _judge(watch, look, is_over=_is_over(run, watch.window_hours, now=now))


def _rest(run: Run, *, now: datetime) -> None:
    """Nobody has got anything yet; once the run is over, nobody will."""
    watches = QuitWatch.objects.watching().filter(run=run)
    if run.finished_at is None:
        watches.update(checked_at=Now())
    else:
        watches.update(checked_at=Now(), state=WatchState.PASSED)


def _is_over(run: Run, window_hours: int, *, now: datetime) -> bool:
    """Whether the last who got the message have had it for the whole window."""
    return run.finished_at is not None and now >= run.finished_at + timedelta(hours=window_hours)


def _learn_the_usual(watches: list[QuitWatch], look: Look) -> None:
    """Counted once per run: what was usual before it does not change any more."""
    if all(watch.usual_by_hour for watch in watches):
        return
    usual = usual_quits(look.run, community_ids=look.community_ids, began_at=look.began_at)
    learnt = {
        "began_at": look.began_at,
        "usual_by_hour": list(usual.by_hour),
        "population": usual.people,
        "baseline_days": usual.days,
    }
    QuitWatch.objects.filter(run=look.run).update(**learnt)
    for watch in watches:
        for name, value in learnt.items():
            setattr(watch, name, value)


def _judge(watch: QuitWatch, look: Look, *, is_over: bool) -> None:
    began_at = watch.began_at or look.began_at
    leavers = leavers_of(
        look.run,
        community_ids=look.community_ids,
        window_hours=watch.window_hours,
        began_at=began_at,
        until=look.now,
        ahead=look.ahead,
    )
    # in a chat those who have left are not counted among the people in it any more
    is_chats = look.run.broadcast.target == BroadcastTarget.CHATS
    exposed = look.people + (len(leavers) if is_chats else 0)
    passed = (look.now - began_at) / timedelta(hours=1)
    margin = {
        24: look.policy.breaker_day_permille,
        72: look.policy.breaker_three_days_permille,
    }[watch.window_hours]
    verdict = judge(
        exposed=exposed,
        leaves=len(leavers),
        usual=usual_rate(watch.usual_by_hour, min(passed, watch.window_hours)),
        margin_permille=margin,
        minimum_leaves=look.policy.breaker_minimum_leaves,
    )
    watch.exposed_count, watch.leave_count = exposed, len(leavers)
    watch.baseline_rate, watch.lower, watch.upper = verdict.usual, verdict.lower, verdict.upper
    watch.value_amount = value_of([leaver.member_id for leaver in leavers], as_of=look.now)
    if verdict.trips and look.policy.breaker_is_on:
        watch.state = WatchState.TRIPPED
        _trip(watch, look, verdict)
        return
    watch.state = WatchState.PASSED if is_over else WatchState.WATCHING
    _keep(watch)


def _keep(watch: QuitWatch) -> bool:
    """Write a look down, unless another worker has ended the watch meanwhile."""
    return bool(
        QuitWatch.objects.watching()
        .filter(pk=watch.pk)
        .update(
            state=watch.state,
            exposed_count=watch.exposed_count,
            leave_count=watch.leave_count,
            baseline_rate=watch.baseline_rate,
            lower=watch.lower,
            upper=watch.upper,
            value_amount=watch.value_amount,
            checked_at=Now(),
        )
    )


@transaction.atomic
def _trip(watch: QuitWatch, look: Look, verdict: Verdict) -> None:
    """Halt the rest, and ask somebody to look. What is all sent cannot be halted any more."""
    broadcast = locked_broadcast(look.run.broadcast_id)
    if not _keep(watch):
        return
    may_halt = broadcast.status in VERB_BEGINS["halt_broadcast"]
    words = trip_in_words(
        window_hours=watch.window_hours,
        exposed=watch.exposed_count,
        leaves=watch.leave_count,
        value_amount=watch.value_amount,
        verdict=verdict,
    )
    if may_halt:
        halt_broadcast(broadcast.pk, actor=None, code=TOO_MANY_LEFT, reason=words)
    is_halted = may_halt or broadcast.status == BroadcastStatus.HALTED
    open_task(
        TaskKind.BROADCAST_HALTED,
        subject=broadcast,
        title=task_title(name=broadcast.name, leaves=watch.leave_count, is_halted=is_halted),
        details={
            "run": look.run.pk,
            "words": words,
            "window_hours": watch.window_hours,
            "leave_count": watch.leave_count,
            "excess_count": round(verdict.excess),
            "value_amount": watch.value_amount,
        },
    )
    logger.warning(
        "Too many left after a run.",
        extra={"run_id": look.run.pk, "leave_count": watch.leave_count, "is_halted": is_halted},
    )
