from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from campaigns.models import Delivery, Run
from campaigns.progress_words import reason_in_words
from campaigns.rules.status import DeliveryStatus, RunStatus
from campaigns.selectors.progress import failure_reasons, progress_of
from campaigns.selectors.recipients import with_recipient_name
from scrm.accounts.admin_scope import HistoryModelAdmin
from scrm.accounts.rules.roles import Capability

PAGE_SIZE = 50
COLOURS = {
    RunStatus.FREEZING: "info",
    RunStatus.SENDING: "primary",
    RunStatus.CANCELLING: "warning",
    RunStatus.FINISHED: "success",
}


@dataclass(frozen=True)
class Row:
    recipient_id: int
    name: str
    status: str
    reason: str
    settled_at: Any


@admin.register(Run)
class RunAdmin(HistoryModelAdmin[Run]):
    """Every occurrence of a broadcast, and on its page the result of every recipient."""

    view_capability = Capability.VIEW_CAMPAIGNS
    list_display = ("broadcast", "planned_for", "status_label", "recipient_count", "finished_at")
    list_filter = ("status",)
    list_select_related = ("broadcast",)
    search_fields = ("broadcast__name",)
    ordering = ("-pk",)
    fields = (
        ("broadcast", "status"),
        ("planned_for", "started_at", "finished_at"),
        ("recipient_count", "dispatch_count", "held_until"),
    )

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["campaigns/composer.css"]}

    @display(description=_("状态"), ordering="status", label=COLOURS)
    def status_label(self, run: Run) -> tuple[str, str]:
        return run.status, run.get_status_display()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        run = self.get_object(request, object_id)
        results = results_of(request, run) if run is not None else {}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "results": results}
        )


def results_of(request: HttpRequest, run: Run) -> dict[str, Any]:
    """One page of deliveries by key, so that the last page costs what the first one does."""
    state = request.GET.get("state", "")
    deliveries: models.QuerySet[Delivery] = Delivery.objects.filter(run=run)
    if state in DeliveryStatus.values:
        deliveries = deliveries.filter(status=state)
    after = request.GET.get("after", "")
    if after.isascii() and after.isdigit():
        deliveries = deliveries.filter(recipient_id__gt=int(after[:18]))
    named = with_recipient_name(deliveries, target=run.broadcast.target)
    rows = list(named.order_by("run_id", "recipient_id")[: PAGE_SIZE + 1])
    progress = progress_of(run.pk)
    return {
        "progress": progress,
        "state": state,
        "states": [
            (value, label, count)
            for value, label in DeliveryStatus.choices
            if (count := getattr(progress, value, 0))
        ],
        "reasons": [
            (DeliveryStatus(status).label, reason_in_words(reason), count)
            for status, reason, count in failure_reasons(run.pk)[:10]
        ],
        "rows": [
            Row(
                delivery.recipient_id,
                getattr(delivery, "recipient_name", None) or "—",
                delivery.get_status_display(),
                reason_in_words(delivery.reason),
                delivery.settled_at,
            )
            for delivery in rows[:PAGE_SIZE]
        ],
        "next_after": rows[PAGE_SIZE - 1].recipient_id if len(rows) > PAGE_SIZE else None,
    }
