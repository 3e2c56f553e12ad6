"""What a broadcast may bring and cost, beside its form; and what became of it, in its report."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from campaigns.admin.broadcast_form import BroadcastForm
from campaigns.forecast_words import comparison_of, panel_of
from campaigns.models import Broadcast, BroadcastForecast, RunReport
from campaigns.selectors.forecast_accuracy import accuracy_in
from campaigns.services.forecasting import forecast_now
from campaigns.services.rehearsing import rehearsed
from scrm.shared.errors import DomainError

PLACE = "admin/campaigns/broadcast/forecast.html"


def forecast_of_form(request: HttpRequest, form: BroadcastForm) -> HttpResponse:
    """Of what is typed, before it is saved."""
    form.is_valid()
    if not form.can_be_counted:
        return render(request, PLACE, {})
    try:
        with rehearsed(**form.rehearsal()) as draft:
            panel = panel_of(forecast_now(draft))
    except DomainError as refusal:
        return render(request, PLACE, {"refusal": refusal.message})
    return render(request, PLACE, {"forecast": panel})


def forecast_of_row(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    try:
        panel = panel_of(forecast_now(broadcast))
    except DomainError as refusal:
        return render(request, PLACE, {"refusal": refusal.message})
    return render(request, PLACE, {"forecast": panel})


def comparison_context(report: RunReport) -> dict[str, Any]:
    """The frozen forecast of the report's run beside what happened; empty where there is none."""
    forecast = BroadcastForecast.objects.filter(run=report.run_id).first()
    if forecast is None:
        return {}
    accuracy = accuracy_in(report.run.broadcast.enterprise_id)
    return {
        "is_assumption": forecast.is_assumption,
        "lines": comparison_of(forecast, accuracy),
    }
