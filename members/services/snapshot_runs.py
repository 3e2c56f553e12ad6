"""The snapshots of all communities of an enterprise: every night up to yesterday, with the figures
kept beside them, and every hour for today."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day

from django.db.models import Exists, OuterRef, Q, QuerySet

from communities.metrics import COMMUNITY_METRICS
from communities.models import Community
from communities.rules.status import CommunityStatus
from members.models import CommunityDay, DailyRun, StaleDay
from members.rules.daily_runs import DailyRunKind
from members.rules.insight import as_kept
from members.services.daily_runs import (
    claim_run,
    enterprises_due,
    finish_run,
    keep_run,
    leave_run,
)
from members.services.snapshots import (
    CHUNK,
    ONE_DAY,
    make_due_days,
    make_late_days,
    snapshot_days,
)
from scrm.accounts.models import Enterprise

SNAPSHOTS_FROM = time_of_day(2, 20)  # local time
HISTORY = timedelta(days=364)
SUNDAY = 1  # as the database counts the days of a week

#: Nobody asks what happens there from day to day; what is reported late is still put right.
AT_REST = (CommunityStatus.DRAFT, CommunityStatus.CANCELLED, CommunityStatus.ARCHIVED)


@dataclass(frozen=True)
class Refreshed:
    """How many days were new or changed, and of how many days figures were kept."""

    days: int
    figures: int


def refresh_community(community: Community, *, until: date) -> Refreshed:
    """Bring everything that is kept about a community up to the local day ``until``."""
    days = sum(made.written for made in make_due_days(community, until=until))
    days += sum(make_late_days(community, until=until))
    return Refreshed(days, sum(1 for _ in keep_due_figures(community, until=until)))


def remake_days(community: Community, *, first: date, last: date) -> Refreshed:
    """Make the days from ``first`` to ``last`` anew, and the figures that are kept with them."""
    days, begin = 0, first
    while begin <= last:
        end = min(begin + CHUNK - ONE_DAY, last)
        days += snapshot_days(community, first=begin, last=end, forget_figures=True)
        begin = end + ONE_DAY
    return Refreshed(days, sum(1 for _ in keep_due_figures(community, until=last)))


def keep_due_figures(community: Community, *, until: date) -> Iterator[date]:
    """Measure and keep the figures of ``until`` and of the Sundays of twelve months, where they
    are not kept, the oldest first, because health compares a day with those before it; days that
    nobody measured have none. One day each time the next is asked for."""
    days = CommunityDay.objects.filter(community=community, figures={})
    due = days.filter(
        Q(day=until)
        | Q(day__gte=until - HISTORY, day__lt=until, day__week_day=SUNDAY, is_measured=True)
    )
    for day in due.order_by("day").values_list("day", flat=True):
        keep_figures(community, on=day)
        yield day


def keep_figures(community: Community, *, on: date) -> None:
    """Keep what the figures of a day are now with its snapshot."""
    figures = COMMUNITY_METRICS.measure(community, on)
    CommunityDay.objects.filter(community=community, day=on).update(
        figures=as_kept(figures, COMMUNITY_METRICS)
    )


# --- Every night --------------------------------------------------------------------------------


def enterprises_to_snapshot(now: datetime) -> list[tuple[int, date]]:
    return enterprises_due(DailyRunKind.SNAPSHOTS, now, begins=SNAPSHOTS_FROM)


def continue_snapshots(enterprise_id: int, *, day: date, budget: float) -> bool:
    """Work on the snapshots up to the day before ``day`` for ``budget`` seconds. Returns whether
    they are finished, or with another worker.

    A community that is left half done is gone on with: how far its due days are made is noted, and
    what is late or lacks figures is found again.
    """
    run = claim_run(DailyRunKind.SNAPSHOTS, enterprise_id, day)
    if run is None:
        return True
    deadline = time.monotonic() + budget
    while community := _communities(enterprise_id, after=run.last_community_id).first():
        for notes in _steps(run, community):
            if not keep_run(run, notes=notes):
                return True  # the lease was lost to somebody else
            if time.monotonic() >= deadline:
                leave_run(run)
                return False
        counted = run.community_count + 1
        if not keep_run(run, last_community_id=community.pk, community_count=counted, notes={}):
            return True
    finish_run(run)
    return True


def _steps(run: DailyRun, community: Community) -> Iterator[dict[str, str]]:
    """Work on a community. After each step: the notes to keep, to go on with from there."""
    until, made = run.day - ONE_DAY, run.notes.get("made_until")
    after = date.fromisoformat(made) if made else None
    for done in make_due_days(community, until=until, after=after):
        yield {"made_until": done.last.isoformat()}
    notes = {"made_until": until.isoformat()}
    for _ in make_late_days(community, until=until):
        yield notes
    for _day in keep_due_figures(community, until=until):
        yield notes


def _communities(enterprise_id: int, *, after: int) -> QuerySet[Community]:
    late = StaleDay.objects.filter(community_id=OuterRef("pk"))
    communities = Community.objects.filter(enterprise=enterprise_id, pk__gt=after)
    concerned = communities.filter(~Q(status__in=AT_REST) | Exists(late))
    return concerned.select_related("enterprise").order_by("pk")


# --- Every hour ---------------------------------------------------------------------------------


def enterprises_with_communities() -> list[int]:
    communities = Community.objects.exclude(status__in=AT_REST).filter(enterprise=OuterRef("pk"))
    return list(Enterprise.objects.filter(Exists(communities)).values_list("pk", flat=True))


def snapshot_today(
    enterprise_id: int, *, now: datetime, after: int = 0, budget: float
) -> int | None:
    """Make today's rows, which grow until midnight, of the communities after the one with the id
    ``after``. Returns the id to go on after when ``budget`` seconds were not enough."""
    deadline = time.monotonic() + budget
    running = _communities(enterprise_id, after=after).exclude(status__in=AT_REST)
    for community in running.iterator(chunk_size=500):
        today = now.astimezone(community.enterprise.zone).date()
        snapshot_days(community, first=today, last=today)
        if time.monotonic() >= deadline:
            return community.pk
    return None
