"""Doors of reports and exports; they belong to campaigns."""

from django.utils import timezone

from campaigns.models import QuitWatch, RunReport
from campaigns.services.reporting import report_run
from tests.isolation import Call


def build(world):
    run = world.rows["run"]
    for hours in (24, 72):
        QuitWatch.objects.create(run=run, window_hours=hours, checked_at=timezone.now())
    world.rows["run report"] = RunReport.objects.get(pk=report_run(run.pk).pk)


API = {
    "run-report-list": {"get": Call()},
    "run-report": {"get": Call(row="run")},
    "run-watches": {"get": Call(row="run")},
    "run-recipients": {"post": Call(row="run")},
}

ADMIN = {"campaigns.runreport": "run report"}

ADMIN_URLS = {
    "campaigns_runreport_refresh": Call(row="run report"),
    "campaigns_runreport_recipients": Call(row="run report"),
}
