"""Whether the nightly scores and the weekly models are up to date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max

from members.models import ActivityCoverage, DailyRun
from members.rules.daily_runs import DailyRunKind
from scrm.accounts.models import Enterprise

LISTENED_FOR = timedelta(days=16)  # before that there is nothing that could be scored
SCORED_WITHIN = timedelta(days=1)  # whole days; of today it may not be done yet
FITTED_WITHIN = timedelta(days=8)


@dataclass(frozen=True)
class Late:
    """How many enterprises wait, and for how many days the one that waits longest. None: never."""

    count: int
    days: int | None


def late_runs(kind: DailyRunKind, within: timedelta, now: datetime) -> Late:
    """Who waits longer than ``within`` for a run of this kind. Where none was ever finished, since
    the day on which there were both the enterprise and the tables, which may be younger than its
    data: nothing could have run before."""
    installed_at = _migrated_at() or now
    listening = ActivityCoverage.objects.filter(
        covered_from__lt=now - LISTENED_FOR, covered_to__gt=now - LISTENED_FOR
    )
    waiting: list[int | None] = []
    for enterprise in Enterprise.objects.filter(
        pk__in=listening.values("community__enterprise")
    ).order_by("pk"):
        today = now.astimezone(enterprise.zone).date()
        finished = DailyRun.objects.filter(
            enterprise=enterprise, kind=kind, finished_at__isnull=False
        )
        last = finished.order_by("-day").values_list("day", flat=True).first()
        began = max(enterprise.created_at, installed_at).astimezone(enterprise.zone).date()
        if today - (last or began) > within:
            waiting.append((today - last).days if last else None)
    known = [days for days in waiting if days is not None]
    return Late(len(waiting), max(known, default=None))


def _migrated_at() -> datetime | None:
    """When our tables were last changed: by the installation, or by an upgrade, which may bring a
    new kind of run."""
    applied = MigrationRecorder(connection).migration_qs.filter(app="members")
    at: datetime | None = applied.aggregate(at=Max("applied"))["at"]
    return at


def unconverged_fits() -> int:
    """How many communities' fits did not converge in the last fitting of each enterprise."""
    runs = DailyRun.objects.filter(kind=DailyRunKind.FITTING, finished_at__isnull=False)
    last = runs.order_by("enterprise", "-day").distinct("enterprise")
    return sum(run.notes.get("not_converged", 0) for run in last)
