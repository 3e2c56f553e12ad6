"""Celery's doors. A message is a wake-up: the rows say what is to be done."""

from __future__ import annotations

from datetime import date

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from campaigns.selectors.polls import has_due_polls
from campaigns.selectors.work import drains_needed, has_due_welcomes, has_planned_contact_welcomes
from campaigns.services import (
    churn_alerts,
    contact_welcoming,
    evaluating,
    forecasting,
    polling,
    reporting,
    settling_alerts,
    sop_running,
    watching,
    winback_ends,
)
from campaigns.services.draining import drain_slice
from campaigns.services.scheduling import start_due_broadcasts
from campaigns.services.segmenting import draw_asked_segment, segments_to_draw
from campaigns.services.welcoming import send_due_welcomes as send_welcomes
from scrm.shared.waking import wake


@shared_task(name="campaigns.drain_dispatches")
def drain_dispatches() -> None:
    if drain_slice():
        wake(drain_dispatches)


@shared_task(name="campaigns.send_due_welcomes")
def send_due_welcomes() -> None:
    if send_welcomes():
        wake(send_due_welcomes)


@shared_task(name="campaigns.send_contact_welcomes")
def send_contact_welcomes() -> None:
    if contact_welcoming.send_contact_welcomes():
        wake(send_contact_welcomes)


@shared_task(name="campaigns.sweep_contact_welcomes")
def sweep_contact_welcomes() -> None:
    contact_welcoming.give_up_contact_welcomes()
    if has_planned_contact_welcomes():
        wake(send_contact_welcomes)


@shared_task(name="campaigns.sweep_due_broadcasts")
def sweep_due_broadcasts() -> None:
    start_due_broadcasts()


@shared_task(name="campaigns.sweep_dispatches")
def sweep_dispatches() -> None:
    for _ in range(drains_needed(settings.DRAIN_WORKERS)):
        wake(drain_dispatches)


@shared_task(name="campaigns.sweep_welcomes")
def sweep_welcomes() -> None:
    if has_due_welcomes():
        wake(send_due_welcomes)


@shared_task(name="campaigns.open_churn_alerts")
def open_churn_alerts(community_id: int, on: str) -> None:
    churn_alerts.open_churn_alerts(community_id, date.fromisoformat(on))


@shared_task(name="campaigns.tend_churn_alerts")
def tend_churn_alerts() -> None:
    settling_alerts.tend_churn_alerts(timezone.now())
    winback_ends.follow_broadcasts()


def wake_every_drain() -> None:
    for _ in range(settings.DRAIN_WORKERS):
        wake(drain_dispatches)


@shared_task(name="campaigns.sweep_segments")
def sweep_segments() -> None:
    for segment_id in segments_to_draw():
        draw_segment.delay(segment_id)


@shared_task(name="campaigns.sweep_polls")
def sweep_polls() -> None:
    if has_due_polls():
        wake(poll_dispatches)


@shared_task(name="campaigns.poll_dispatches")
def poll_dispatches() -> None:
    if polling.poll_due_dispatches():
        wake(poll_dispatches)


@shared_task(name="campaigns.draw_segment")
def draw_segment(segment_id: int) -> None:
    draw_asked_segment(segment_id)


@shared_task(name="campaigns.sweep_quits")
def sweep_quits() -> None:
    if watching.watch_runs():
        wake(sweep_quits)


@shared_task(name="campaigns.report_runs")
def report_runs() -> None:
    if reporting.report_runs():
        wake(report_runs)


@shared_task(name="campaigns.evaluate_experiments")
def evaluate_experiments() -> None:
    evaluating.evaluate_due_experiments()


@shared_task(name="campaigns.advance_sop")
def advance_sop() -> None:
    sop_running.advance_sop()


@shared_task(name="campaigns.freeze_forecast")
def freeze_forecast(run_id: int) -> None:
    forecasting.freeze_forecast(run_id)


@shared_task(name="campaigns.settle_forecast")
def settle_forecast(run_id: int) -> None:
    forecasting.settle_forecast(run_id)


@shared_task(name="campaigns.sweep_forecasts")
def sweep_forecasts() -> None:
    forecasting.freeze_due_forecasts()
    forecasting.settle_due_forecasts()
