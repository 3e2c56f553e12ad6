"""The page of a run: how far it is, who has still to confirm, why it failed, and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from campaigns.admin.broadcast_panels import Pace, pace_of
from campaigns.models import Delivery, Dispatch, Run, RunReport
from campaigns.progress_words import DISPATCH_COLOURS, NOTHING, reason_in_words
from campaigns.rules.status import OPEN_RUN, DeliveryStatus, DispatchStatus
from campaigns.selectors.choices import actions_of_dispatch, actions_of_run
from campaigns.selectors.confirmations import Confirmations, by_sender, confirmations_of
from campaigns.selectors.progress import Progress, failure_reasons, progress_of
from campaigns.selectors.recipients import with_recipient_name
from campaigns.services.retrying import UNKNOWN
from scrm.accounts.models import User
from scrm.shared.clock import database_now

PLACE = "admin/campaigns/run"
PAGE_SIZE = 50
SENDERS_SHOWN = 100
REASONS_SHOWN = 20
MAX_REASON = 60
#: While machines send something moves every second; people take their time.
OFTEN, SELDOM = 2, 15


@dataclass(frozen=True)
class Row:
    recipient_id: int
    name: str
    status: str
    reason: str
    settled_at: Any


@dataclass(frozen=True)
class SenderRow:
    """One colleague's part of a run."""

    pk: int
    name: str
    recipient_count: int
    state: str
    tone: str
    delivered: int
    awaiting: int
    submitted_at: datetime | None
    confirmed_at: datetime | None
    reminders: int
    trouble: str
    links: list[tuple[str, str]]


@dataclass(frozen=True)
class ReasonRow:
    status: str
    words: str
    count: int
    retry: str
    rows: str


@dataclass(frozen=True)
class RunPanels:
    run: Run
    progress: Progress
    pace: Pace
    held: str
    confirmations: Confirmations
    senders: list[SenderRow]
    more_senders: int
    report: str
    every: int  # seconds until the page asks again; 0: it does not


def panels_of(run: Run, *, user: User) -> RunPanels:
    """What it costs does not grow with the recipients: only the calls are read."""
    progress = progress_of(run.pk)
    confirmations = confirmations_of(run.pk)
    senders = by_sender(run.pk, limit=SENDERS_SHOWN) if confirmations.total else []
    for dispatch in senders:
        dispatch.run = run
    every = 0
    if run.status in OPEN_RUN:
        every = OFTEN if progress.planned or not confirmations.waiting else SELDOM
    return RunPanels(
        run=run,
        progress=progress,
        pace=pace_of(progress, run.broadcast, now=database_now()),
        held=reason_in_words(run.held_reason) if run.held_reason else "",
        confirmations=confirmations,
        senders=[sender_row(dispatch, user=user) for dispatch in senders],
        more_senders=max(0, confirmations.total - len(senders)),
        report=report_of(run),
        every=every,
    )


def report_of(run: Run) -> str:
    """Where its report is read, once there is one."""
    pk = RunReport.objects.filter(run=run).values_list("pk", flat=True).first()
    return reverse("admin:campaigns_runreport_change", args=[pk]) if pk else ""


def sender_row(dispatch: Dispatch, *, user: User) -> SenderRow:
    named: Any = dispatch  # annotated by with_sender_name()
    actions = {"remind": _("提醒"), "stop": _("停止")}
    return SenderRow(
        pk=dispatch.pk,
        name=named.sender_name or dispatch.sender,
        recipient_count=named.recipient_count,
        state=state_in_words(dispatch),
        tone=DISPATCH_COLOURS.get(DispatchStatus(dispatch.status), ""),
        delivered=dispatch.delivered_count,
        awaiting=dispatch.awaiting_count,
        submitted_at=dispatch.submitted_at,
        confirmed_at=dispatch.confirmed_at,
        reminders=len(dispatch.reminded_at),
        trouble=reason_in_words(dispatch.last_error) if dispatch.last_error else "",
        links=[
            (actions[name], reverse(f"admin:campaigns_dispatch_{name}", args=[dispatch.pk]))
            for name in actions_of_dispatch(dispatch, user)
        ],
    )


def state_in_words(dispatch: Dispatch) -> str:
    if dispatch.status == DispatchStatus.AWAITING:
        return _("已确认，等结果") if dispatch.confirmed_at else _("待确认")
    return str(dispatch.get_status_display())


# --- what htmx asks for again -------------------------------------------------------------------


def fragment_of(request: HttpRequest, run: Run, *, user: User) -> HttpResponse | None:
    """When the status has moved, so must the buttons: the whole page is loaded again."""
    match request.GET.get("fragment"):
        case "progress" if request.GET.get("was") == run.status:
            panels = panels_of(run, user=user)
            return render(request, f"{PLACE}/progress.html", {"panels": panels})
        case "progress":
            return HttpResponse(headers={"HX-Refresh": "true"})
        case "reasons":
            reasons = reason_rows(run, user=user)
            return render(request, f"{PLACE}/reasons.html", {"reasons": reasons})
    return None


def reason_rows(run: Run, *, user: User) -> list[ReasonRow]:
    """Every delivery is read for this, so it is asked for once and not again and again."""
    may_retry = "retry" in actions_of_run(run, user)
    retry = reverse("admin:campaigns_run_retry", args=[run.pk])
    rows = []
    for status, reason, count in failure_reasons(run.pk)[:REASONS_SHOWN]:
        can_retry = may_retry and can_be_retried(status, reason)
        rows.append(
            ReasonRow(
                status=str(DeliveryStatus(status).label),
                words=reason_in_words(reason),
                count=count,
                retry=f"{retry}?{urlencode({'reason': reason})}" if can_retry else "",
                rows=f"?{urlencode({'state': status, 'reason': reason})}",
            )
        )
    return rows


def can_be_retried(status: str, reason: str) -> bool:
    """Of whom the channel said nothing it may have reached them."""
    return status == DeliveryStatus.FAILED and reason != UNKNOWN


# --- the recipients -----------------------------------------------------------------------------


def results_of(request: HttpRequest, run: Run, progress: Progress) -> dict[str, Any]:
    """One page of deliveries by key, so that the last page costs what the first one does."""
    state, reason = request.GET.get("state", ""), request.GET.get("reason", "")[:MAX_REASON]
    deliveries: QuerySet[Delivery] = Delivery.objects.filter(run=run)
    if state in DeliveryStatus.values:
        deliveries = deliveries.filter(status=state)
    if reason and reason.isprintable():
        deliveries = deliveries.filter(reason=reason)
    after = request.GET.get("after", "")
    if after.isascii() and after.isdigit():
        deliveries = deliveries.filter(recipient_id__gt=int(after[:18]))
    named = with_recipient_name(deliveries, target=run.broadcast.target)
    rows = list(named.order_by("run_id", "recipient_id")[: PAGE_SIZE + 1])
    last = rows[PAGE_SIZE - 1].recipient_id if len(rows) > PAGE_SIZE else None
    return {
        "progress": progress,
        "state": state,
        "reason": reason_in_words(reason) if reason else "",
        "states": states_of(progress),
        "has_reasons": bool(progress.settled - progress.delivered),
        "rows": [row_of(delivery) for delivery in rows[:PAGE_SIZE]],
        "next": following(state, reason, last) if last else "",
    }


def following(state: str, reason: str, after: int) -> str:
    return f"?{urlencode({'state': state, 'reason': reason, 'after': str(after)})}"


def states_of(progress: Progress) -> list[tuple[str, str, int]]:
    return [
        (value, str(label), count)
        for value, label in DeliveryStatus.choices
        if (count := getattr(progress, value, 0))
    ]


def row_of(delivery: Delivery) -> Row:
    return Row(
        delivery.recipient_id,
        getattr(delivery, "recipient_name", None) or NOTHING,
        delivery.get_status_display(),
        reason_in_words(delivery.reason),
        delivery.settled_at,
    )
