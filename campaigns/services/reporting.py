"""What a run brought and what it cost: kept up to date until its windows have closed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from campaigns.models import ExperimentArm, QuitWatch, Run, RunReport
from campaigns.rules.breaker import WINDOWS
from campaigns.rules.experiments import HOLD_OUT
from campaigns.rules.guarding import WatchState
from campaigns.rules.reports import (
    WINDOW_HOURS,
    balance_of,
    increment_of,
    share_of,
    value_beyond_usual,
)
from campaigns.rules.statistics import Moments
from campaigns.selectors.arms import arms_of
from campaigns.selectors.clocks import ahead_of
from campaigns.selectors.funnels import (
    Measured,
    Reached,
    Reactions,
    arms_of_recipients,
    reached_by,
    reactions_of,
    spending_by_arm,
)
from campaigns.selectors.guards import policy_of
from campaigns.selectors.leaves import Leaver, community_ids_of, exposure_of, leavers_of
from campaigns.selectors.progress import progress_of
from campaigns.signals import run_reported
from communities.models import Community
from scrm.accounts.models import User
from scrm.shared.clock import database_now

logger = logging.getLogger(__name__)

VERSION = 1
REPORTS_AT_ONCE = 20
BETWEEN_REPORTS = timedelta(hours=1)
FRESH = timedelta(minutes=5)
#: Purchases and signs of life are told to us some time after they happened.
LATE_NEWS = timedelta(hours=1)
STATES = ("delivered", "awaiting_owner", "failed", "suppressed", "cancelled", "expired", "planned")

type Figures = dict[str, Any]


def begin_report(run_id: int) -> None:
    """From now on the report of this run is kept up to date."""
    RunReport.objects.get_or_create(run_id=run_id)


def report_runs(*, limit: int = REPORTS_AT_ONCE) -> bool:
    """Bring reports up to date whose turn it is; whether there are more. The sweep's verb."""
    due = RunReport.objects.filter(
        is_final=False, computed_at__lte=database_now() - BETWEEN_REPORTS
    ).order_by("computed_at")
    run_ids = list(due.values_list("run_id", flat=True)[:limit])
    for run_id in run_ids:
        try:
            report_run(run_id)
        except Exception:  # one run must not keep the others from their reports
            logger.exception("A run was not reported on.", extra={"run_id": run_id})
            RunReport.objects.filter(run=run_id).update(computed_at=Now())
    return len(run_ids) == limit


def report_run(run_id: int) -> RunReport:
    """Bring the report of a run up to date. A final one stays as it is.

    Announces ``run_reported`` once, when the report becomes final.
    """
    report = RunReport.objects.filter(run=run_id, is_final=True).first()
    if report is not None:
        return report
    run = _run(run_id)
    now = database_now()
    figures = figures_of(run, now=now)
    return _keep(run, figures, now=now, is_final=_is_final(run, now=now))


def refresh_report(report_id: int, *, actor: User) -> RunReport:
    """The same on somebody's word."""
    return report_run(RunReport.objects.visible_to(actor).get(pk=report_id).run_id)


def report_now(run: Run) -> RunReport:
    """The report as of now without writing it: a fresh or final one is shown as it stands."""
    now = database_now()
    kept = RunReport.objects.filter(run=run).first()
    is_fresh = kept is not None and (kept.is_final or kept.computed_at > now - FRESH)
    if kept is not None and kept.figures and is_fresh:
        return kept
    return RunReport(run=run, figures=figures_of(_run(run.pk), now=now), computed_at=now)


@transaction.atomic
def _keep(run: Run, figures: Figures, *, now: datetime, is_final: bool) -> RunReport:
    RunReport.objects.get_or_create(run=run)
    report = RunReport.objects.select_for_update(no_key=True).get(run=run)
    if report.is_final:
        return report
    report.figures, report.computed_at, report.is_final = figures, now, is_final
    report.save(update_fields=["figures", "computed_at", "is_final"])
    if is_final:
        run_reported.send(sender=Run, run_id=run.pk)
    return report


def _run(run_id: int) -> Run:
    parts = Run.objects.select_related("broadcast__channel_account", "broadcast__enterprise")
    return parts.get(pk=run_id)


def _is_final(run: Run, *, now: datetime) -> bool:
    """When the last who got it have had it for the whole window, and news of it have arrived."""
    if run.finished_at is None or QuitWatch.objects.watching().filter(run=run).exists():
        return False
    return now >= run.finished_at + timedelta(hours=WINDOW_HOURS) + LATE_NEWS


def figures_of(run: Run, *, now: datetime) -> Figures:
    """The report of a run as of now: plain values, amounts in 分, shares between 0 and 1."""
    ahead = ahead_of(run.broadcast)
    exposure = exposure_of(run, ahead=ahead)
    measured = Measured(
        run=run,
        arms=arms_of(run),
        community_ids=community_ids_of(run.broadcast),
        began_at=exposure.began_at or now + ahead,
        now=now + ahead,
        ahead=ahead,
    )
    reached, reactions = reached_by(measured), reactions_of(measured)
    leavers = _leavers(measured)
    spent = spending_by_arm(measured)
    watches = [_watch_figures(watch) for watch in run.quit_watches.order_by("window_hours")]
    return {
        "version": VERSION,
        "window_hours": WINDOW_HOURS,
        "recipients": _recipients(run),
        "people_reached": exposure.people,
        "began_at": exposure.began_at.isoformat() if exposure.began_at else None,
        "funnel": _funnel(exposure.people, reactions),
        "interaction_rate": share_of(sum(one.reacted for one in reactions), exposure.people),
        "orders": sum(one.orders for one in reactions),
        "sales_amount": sum(one.sales_amount for one in reactions),
        "leaves": watches,
        **_balance(measured, watches, spent),
        "by_community": _by_community(reached, reactions, leavers),
        "by_arm": _by_arm(measured, reached, reactions, leavers, spent),
    }


def _recipients(run: Run) -> Figures:
    progress = progress_of(run.pk)
    return {"total": progress.total} | {name: getattr(progress, name) for name in STATES}


def _leavers(measured: Measured) -> list[Leaver]:
    return leavers_of(
        measured.run,
        community_ids=measured.community_ids,
        window_hours=max(WINDOWS),
        began_at=measured.began_at,
        until=measured.now,
        ahead=measured.ahead,
    )


def _funnel(people: int, reactions: list[Reactions]) -> list[Figures]:
    """Each step: how many did it at all, and how many after the step before it."""

    def all_of(name: str) -> int:
        return sum(getattr(one, name) for one in reactions)

    steps = (
        ("delivered", people, people),
        ("clicked", all_of("clicked"), all_of("clicked")),
        ("interacted", all_of("interacted"), all_of("then_interacted")),
        ("ordered", all_of("ordered"), all_of("then_ordered")),
    )
    return [{"step": step, "people": count, "in_order": after} for step, count, after in steps]


def _watch_figures(watch: QuitWatch) -> Figures:
    expected = watch.baseline_rate * watch.exposed_count
    return {
        "window_hours": watch.window_hours,
        "state": watch.state,
        "exposed": watch.exposed_count,
        "leaves": watch.leave_count,
        "rate": share_of(watch.leave_count, watch.exposed_count),
        "low": watch.lower,
        "high": watch.upper,
        "usual_rate": watch.baseline_rate,
        "usual_days": watch.baseline_days,
        "excess": max(0.0, watch.leave_count - expected),
        "value_amount": watch.value_amount,
        "value_lost_amount": value_beyond_usual(
            watch.value_amount, leaves=watch.leave_count, expected=expected
        ),
        "has_tripped": watch.state == WatchState.TRIPPED,
    }


def _balance(measured: Measured, watches: list[Figures], spent: Mapping[int, Moments]) -> Figures:
    broadcast = measured.run.broadcast
    policy = policy_of(broadcast.enterprise_id)
    increment = increment_of(spent)
    balance = balance_of(
        increment,
        margin_percent=policy.margin_percent,
        cost_amount=broadcast.cost_amount,
        value_lost_amount=max((one["value_lost_amount"] for one in watches), default=0),
    )
    return {
        "increment": increment
        and {
            "treated": increment.treated,
            "held_out": increment.held_out,
            "per_head": increment.per_head,
            "low": increment.low,
            "high": increment.high,
            "p": increment.p,
            "sales_amount": round(increment.amount),
        },
        "margin_percent": policy.margin_percent,
        "margin_amount": balance.margin_amount,
        "margin_low": balance.margin_low,
        "margin_high": balance.margin_high,
        "cost_amount": balance.cost_amount,
        "value_lost_amount": balance.value_lost_amount,
        "net_amount": balance.net_amount,
        "roi": balance.roi,
    }


def _by_community(
    reached: list[Reached], reactions: list[Reactions], leavers: list[Leaver]
) -> list[Figures]:
    people = _tally((one.community_id, one.people) for one in reached)
    left = Counter(leaver.community_id for leaver in leavers)
    named = {*people, *left, *(one.community_id for one in reactions)}
    ids = sorted(pk for pk in named if pk is not None)
    names = dict(Community.objects.filter(pk__in=ids).values_list("pk", "name"))
    return [
        {
            "id": pk,
            "name": names.get(pk, ""),
            "reached": people[pk],
            "leaves": left[pk],
            **_reacted([one for one in reactions if one.community_id == pk]),
        }
        for pk in ids
    ]


def _by_arm(
    measured: Measured,
    reached: list[Reached],
    reactions: list[Reactions],
    leavers: list[Leaver],
    spent: Mapping[int, Moments],
) -> list[Figures]:
    if measured.arms is None:
        return []
    people = _tally((one.arm, one.people) for one in reached)
    ids = sorted({leaver.recipient_id for leaver in leavers})
    arms = arms_of_recipients(measured, ids)
    left = Counter(arms[leaver.recipient_id] for leaver in leavers)
    named = ExperimentArm.objects.filter(experiment__broadcast=measured.run.broadcast_id)
    names = dict(named.values_list("number", "name"))
    margins = _margins(measured, spent)
    return [
        {
            "arm": arm,
            "name": names.get(arm, ""),
            "margin_amount": margins.get(arm),
            "reached": people[arm],
            "leaves": left[arm],
            **_reacted([one for one in reactions if one.arm == arm]),
        }
        for arm in sorted(number for number in {*people, *left} if number)
    ]


def _margins(measured: Measured, spent: Mapping[int, Moments]) -> dict[int, int | None]:
    """Of each arm against the same hold-out."""
    percent = policy_of(measured.run.broadcast.enterprise_id).margin_percent
    held_out = {arm: one for arm, one in spent.items() if arm == HOLD_OUT}
    return {
        arm: balance_of(
            increment_of({**held_out, arm: one}),
            margin_percent=percent,
            cost_amount=0,
            value_lost_amount=0,
        ).margin_amount
        for arm, one in spent.items()
        if arm != HOLD_OUT
    }


def _reacted(reactions: list[Reactions]) -> Figures:
    names = ("clicked", "interacted", "ordered", "reacted", "orders", "sales_amount")
    return {name: sum(getattr(one, name) for one in reactions) for name in names}


def _tally(counts: Iterable[tuple[int | None, int]]) -> Counter[int | None]:
    tally: Counter[int | None] = Counter()
    for key, count in counts:
        tally[key] += count
    return tally
