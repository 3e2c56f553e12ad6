"""Celery's doors. A message is a wake-up: the rows say what is to be done."""

from __future__ import annotations

from celery import shared_task

from communities.services.ownership import violations
from communities.services.resignation import claims, sweeps
from communities.services.transfers import executing, telling
from scrm.shared.waking import wake

# --- Hand-overs -----------------------------------------------------------------------------------


@shared_task(name="communities.sweep_transfers")
def sweep_transfers() -> None:
    if executing.transfers_are_due():
        wake(run_transfers)


@shared_task(name="communities.run_transfers")
def run_transfers() -> None:
    if executing.run_due_transfers(seconds=executing.SLICE_SECONDS):
        wake(run_transfers)


# --- Cases ----------------------------------------------------------------------------------------


@shared_task(name="communities.sweep_cases")
def sweep_cases() -> None:
    if claims.cases_are_due():
        wake(run_cases)


@shared_task(name="communities.run_cases")
def run_cases() -> None:
    if sweeps.advance_cases(limit=1):
        wake(run_cases)


@shared_task(name="communities.tend_cases")
def tend_cases() -> None:
    sweeps.gather_left_behind()
    sweeps.warn_of_deadlines()


# --- Notices --------------------------------------------------------------------------------------


@shared_task(name="communities.sweep_notices")
def sweep_notices() -> None:
    telling.send_due_notices()


# --- Violations -----------------------------------------------------------------------------------


@shared_task(name="communities.sweep_violations")
def sweep_violations() -> None:
    violations.review_violations()
