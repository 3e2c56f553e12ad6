"""What stands beside the form: how many, what they read, what speaks against it, when, how far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from campaigns.admin.broadcast_form import BroadcastForm
from campaigns.admin.broadcast_time import NextTimes, next_times_of, times_in_words
from campaigns.models import Broadcast, Run
from campaigns.progress_words import duration_in_words, reason_in_words
from campaigns.rules.contents import AttachmentKind
from campaigns.rules.status import BroadcastStatus, BroadcastTarget, RunStatus
from campaigns.selectors.calendar import schedule_of, unknown_years, upcoming_times
from campaigns.selectors.checks import Check, Level, checks_of
from campaigns.selectors.estimates import Estimate, estimate_audience
from campaigns.selectors.progress import Progress, progress_of
from campaigns.services.rehearsing import rehearsed
from scrm.shared.clock import database_now
from scrm.shared.errors import DomainError

PLACE = "admin/campaigns/broadcast"
COMMUNITIES_SHOWN = 8
SHOWS_ESTIMATE = frozenset(
    {BroadcastStatus.IN_REVIEW, BroadcastStatus.APPROVED, BroadcastStatus.SCHEDULED}
)
STILL_MOVES = frozenset(
    {
        BroadcastStatus.SCHEDULED,
        BroadcastStatus.RUNNING,
        BroadcastStatus.PAUSED,
        BroadcastStatus.HALTED,
    }
)
ORDER_OF_LEVELS = [Level.BLOCK, Level.HINT, Level.OK]
#: Too little has gone by to say how fast it is.
TOO_SOON = 2.0


@dataclass(frozen=True)
class Reach:
    """How many would get it, and how long that takes at the channel's rate."""

    estimate: Estimate
    is_chats: bool
    more_communities: int
    excluded: list[tuple[str, int]]
    duration: str

    @classmethod
    def of(cls, estimate: Estimate, broadcast: Broadcast) -> Reach:
        rate = broadcast.channel_account.rate_per_second
        seconds = estimate.will_send_count / rate if rate else 0.0
        return cls(
            estimate=estimate,
            is_chats=broadcast.target == BroadcastTarget.CHATS,
            more_communities=max(0, len(estimate.communities) - COMMUNITIES_SHOWN),
            excluded=[(reason_in_words(one.reason), one.count) for one in estimate.excluded],
            duration=duration_in_words(seconds) if seconds > 1 else "",
        )


# --- what htmx asks for again -------------------------------------------------------------------


def estimate_of_form(request: HttpRequest, form: BroadcastForm) -> HttpResponse:
    """What is typed, counted and judged before it is saved."""
    form.is_valid()
    if not form.can_be_counted:
        return estimate_page(request, times=None, form=form)
    rehearsal = form.rehearsal()
    try:
        with rehearsed(**rehearsal) as draft:
            looked = look_at(draft)
    except DomainError as refusal:
        return estimate_page(request, refusal=refusal.message, form=form)
    return estimate_page(request, **looked, form=form)


def estimate_of_row(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    try:
        looked = look_at(broadcast)
    except DomainError as refusal:
        return estimate_page(request, refusal=refusal.message, times=times_of(broadcast))
    return estimate_page(request, **looked, times=times_of(broadcast))


def look_at(broadcast: Broadcast) -> dict[str, Any]:
    communities = list(broadcast.communities.order_by("pk"))
    estimate = estimate_audience(broadcast, as_of=database_now(), communities=communities)
    checks = checks_of(broadcast, communities=communities, estimate=estimate)
    return {
        "reach": Reach.of(estimate, broadcast),
        "checks": sorted_checks(checks),
        "block_count": sum(check.level is Level.BLOCK for check in checks),
        "attachments": attachment_words(broadcast),
    }


def estimate_page(
    request: HttpRequest,
    *,
    form: BroadcastForm | None = None,
    times: NextTimes | None = None,
    **context: Any,
) -> HttpResponse:
    if form is not None:
        times = times_of_form(form)
    context |= {"times": times, "shown": COMMUNITIES_SHOWN}
    return render(request, f"{PLACE}/estimate.html", context)


def sorted_checks(checks: Sequence[Check]) -> list[Check]:
    """What stands in the way first; what is all right last."""
    return sorted(checks, key=lambda check: ORDER_OF_LEVELS.index(check.level))


def attachment_words(broadcast: Broadcast) -> list[str]:
    """What goes with the text, as the preview shows it."""
    return [
        f"{AttachmentKind(one['kind']).label} {one.get('title', '')}".strip()
        for one in broadcast.attachments
    ]


# --- when ---------------------------------------------------------------------------------------


def times_of_form(form: BroadcastForm) -> NextTimes | None:
    if "time_way" not in form.fields:
        return None
    try:
        return next_times_of(form.cleaned_data, user=form.user)
    except DomainError as refusal:
        return NextTimes(words=refusal.message, times=[])


def times_of(broadcast: Broadcast) -> NextTimes | None:
    schedule = schedule_of(broadcast)
    if schedule is None:
        return None
    times = upcoming_times(broadcast, now=database_now())
    return times_in_words(
        times,
        kind=schedule.kind,
        zone=ZoneInfo(schedule.time_zone),
        unknown_years=unknown_years(broadcast, times, schedule),
    )


# --- how far ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pace:
    """How far a run is in percent, how fast it goes, and when it may be done; empty where nobody
    can tell. What waits for somebody's word is not done."""

    percent: int = 0
    speed: str = ""
    remaining: str = ""


def pace_of(progress: Progress, broadcast: Broadcast, *, now: datetime) -> Pace:
    """From what has a result since it began. A run that waits has no pace."""
    percent = progress.percent
    is_sending = progress.run_status == RunStatus.SENDING and progress.held_until is None
    if not is_sending or broadcast.status != BroadcastStatus.RUNNING:
        return Pace(percent)
    seconds = (now - progress.started_at).total_seconds()
    done = progress.settled + progress.awaiting_owner
    if seconds < TOO_SOON or not done or not progress.planned:
        return Pace(percent)
    rate = done / seconds
    return Pace(
        percent,
        speed=_("%(rate)s 位/秒") % {"rate": f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"},
        remaining=duration_in_words(progress.planned / rate),
    )


def panels_of(broadcast: Broadcast | None) -> dict[str, Any]:
    is_draft = broadcast is None or broadcast.status == BroadcastStatus.DRAFT
    return {
        "is_draft": is_draft,
        "estimate": is_draft or (broadcast is not None and broadcast.status in SHOWS_ESTIMATE),
        **progress_context(broadcast),
    }


def progress_context(broadcast: Broadcast | None) -> dict[str, Any]:
    if broadcast is None:
        return {}
    runs = Run.objects.filter(broadcast=broadcast, is_prefrozen=False).order_by("-pk")
    run = runs.first()
    progress = progress_of(run.pk) if run else None
    return {
        "broadcast": broadcast,
        "run": run,
        "progress": progress,
        "pace": pace_of(progress, broadcast, now=database_now()) if progress else Pace(),
        "held": reason_in_words(run.held_reason) if run and run.held_reason else "",
        "still_moves": broadcast.status in STILL_MOVES,
        "starts": starts_in_words(broadcast),
    }


def links_of(broadcast: Broadcast) -> list[tuple[str, str]]:
    """Where the rest about it stands."""
    if not Run.objects.filter(broadcast=broadcast).exists():
        return []
    page = reverse("admin:campaigns_run_changelist")
    return [(_("历次执行"), f"{page}?broadcast__id__exact={broadcast.pk}")]


def starts_in_words(broadcast: Broadcast) -> str:
    if broadcast.status != BroadcastStatus.SCHEDULED or broadcast.scheduled_at is None:
        return ""
    return date_format(localtime(broadcast.scheduled_at), "m-d H:i")


def progress_page(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """Asked again every two seconds; when the status has moved, so must the buttons: reload."""
    if request.GET.get("was") != broadcast.status:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, f"{PLACE}/progress.html", {"panels": progress_context(broadcast)})
