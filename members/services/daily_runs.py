"""What is computed once a day for each enterprise: claimed by one worker at a time, kept with how
far it got, succeeded by another when a worker dies."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.db.models.functions import Now

from members.models import DailyRun
from members.rules.daily_runs import DailyRunKind
from scrm.accounts.models import Enterprise

LEASE = timedelta(minutes=2)  # much longer than a step


def enterprises_due(kind: DailyRunKind, now: datetime, *, begins: time) -> list[tuple[int, date]]:
    """The enterprises whose local day has begun to be due and is not finished, with the day."""
    due = []
    for enterprise in Enterprise.objects.order_by("pk").iterator():
        local = now.astimezone(enterprise.zone)
        if local.time() >= begins:
            due.append((enterprise.pk, local.date()))
    finished = set(
        DailyRun.objects.filter(
            kind=kind, finished_at__isnull=False, day__gte=now.date() - timedelta(days=1)
        ).values_list("enterprise_id", "day")
    )
    return [item for item in due if item not in finished]


def claim_run(kind: DailyRunKind, enterprise_id: int, day: date) -> DailyRun | None:
    """The run of a day, ours for ``LEASE``; None where it is finished or another is at it."""
    DailyRun.objects.bulk_create(
        [DailyRun(enterprise_id=enterprise_id, kind=kind, day=day)], ignore_conflicts=True
    )
    runs = DailyRun.objects.filter(enterprise_id=enterprise_id, kind=kind, day=day)
    if not runs.claimable().update(lease_until=Now() + LEASE):
        return None
    return runs.get()


def keep_run(run: DailyRun, **changes: object) -> bool:
    """Write the changes and renew the lease. Returns whether it was still ours."""
    values = {"lease_until": Now() + LEASE, **changes}
    mine = DailyRun.objects.filter(pk=run.pk, lease_until=run.lease_until)
    if not mine.update(**values):
        return False
    run.refresh_from_db()
    return True


def finish_run(run: DailyRun) -> bool:
    return keep_run(run, finished_at=Now(), lease_until=None)


def leave_run(run: DailyRun) -> bool:
    """Give it back unfinished: whoever comes next goes on."""
    return keep_run(run, lease_until=None)
