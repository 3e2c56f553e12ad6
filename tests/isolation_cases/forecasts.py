"""Doors of forecasts; they belong to campaigns."""

from campaigns.models import BroadcastForecast
from campaigns.services.forecasting import figures_of
from tests.isolation import Call


def build(world):
    run = world.rows["run"]
    figures = figures_of(run.broadcast, now=run.started_at)
    world.rows["forecast"] = BroadcastForecast.objects.create(
        broadcast=run.broadcast, run=run, figures=figures
    )


API = {
    "broadcast-forecast": {"get": Call(row="draft"), "post": Call(row="draft")},
    "run-forecast": {"get": Call(row="run")},
    "forecast-accuracy": {"get": Call()},
}
