"""The weekly fitting and the daily checking, each as a run that goes on where it stopped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from datetime import time as time_of_day

from django.db import transaction
from django.db.models.functions import Now

from communities.models import Community
from members.models import DailyRun
from members.rules.daily_runs import DailyRunKind
from members.services.checking_scores import check_community
from members.services.daily_runs import (
    claim_run,
    enterprises_due,
    finish_run,
    keep_run,
    leave_run,
)
from members.services.scoring import STEP_LEASE

FITTED_FROM = time_of_day(1)  # local time, on Sundays: before the scoring of that night
CHECKED_FROM = time_of_day(3, 30)  # after it
SUNDAY = 6

type Step = Callable[[DailyRun, Community], bool]


def enterprises_to_fit(now: datetime) -> list[tuple[int, date]]:
    due = enterprises_due(DailyRunKind.FITTING, now, begins=FITTED_FROM)
    return [(enterprise_id, day) for enterprise_id, day in due if day.weekday() == SUNDAY]


def enterprises_to_check(now: datetime) -> list[tuple[int, date]]:
    return enterprises_due(DailyRunKind.CHECKING, now, begins=CHECKED_FROM)


def continue_fitting(enterprise_id: int, *, day: date, budget: float) -> bool:
    """Fit community by community, the enterprise's own model last. Returns whether it is finished.

    Where another worker is at it there is nothing to do, and the answer is yes.
    """
    run = claim_run(DailyRunKind.FITTING, enterprise_id, day)
    if run is None or not keep_run(run, lease_until=Now() + STEP_LEASE):
        return True
    if not _through_communities(run, _fit, time.monotonic() + budget):
        return False
    return _fit_enterprise(run)


def continue_checking(enterprise_id: int, *, day: date, budget: float) -> bool:
    """Check what can be checked. Returns as ``continue_fitting`` does."""
    run = claim_run(DailyRunKind.CHECKING, enterprise_id, day)
    if run is None or not keep_run(run, lease_until=Now() + STEP_LEASE):
        return True
    if not _through_communities(run, _check, time.monotonic() + budget):
        return False
    finish_run(run)
    return True


def _through_communities(run: DailyRun, step: Step, deadline: float) -> bool:
    """Whether all are done; False where time is over or the lease was lost."""
    communities = Community.objects.filter(enterprise_id=run.enterprise_id)
    communities = communities.select_related("enterprise").order_by("pk")
    while community := communities.filter(pk__gt=run.last_community_id).first():
        if not step(run, community):
            return False
        if time.monotonic() >= deadline:
            leave_run(run)
            return False
    return True


@transaction.atomic
def _fit(run: DailyRun, community: Community) -> bool:
    from members.services.fitting_churn import fit_community  # noqa: PLC0415 - loads SciPy

    fitted = fit_community(community, on=run.day)
    notes = dict(Counter(run.notes) + Counter([fitted.outcome]))
    return keep_run(
        run,
        last_community_id=community.pk,
        community_count=run.community_count + 1,
        member_count=run.member_count + fitted.rows,
        notes=notes,
        lease_until=Now() + STEP_LEASE,
    )


@transaction.atomic
def _fit_enterprise(run: DailyRun) -> bool:
    from members.services.fitting_churn import fit_pooled  # noqa: PLC0415 - loads SciPy

    fitted = fit_pooled(run.enterprise, on=run.day)
    keep_run(run, notes={**run.notes, "pooled": fitted.outcome}, lease_until=Now() + STEP_LEASE)
    finish_run(run)
    return True


@transaction.atomic
def _check(run: DailyRun, community: Community) -> bool:
    checks = check_community(community, on=run.day)
    return keep_run(
        run,
        last_community_id=community.pk,
        community_count=run.community_count + bool(checks),
        member_count=run.member_count + sum(check.scored_count for check in checks),
        lease_until=Now() + STEP_LEASE,
    )
