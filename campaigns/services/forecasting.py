"""Saying beforehand what a broadcast may bring and cost, and afterwards whether that was right."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from campaigns.models import Broadcast, BroadcastForecast, Experiment, Run, RunReport
from campaigns.rules.forecasts import (
    COMPARED,
    DRAWS,
    LEVEL,
    VERSION,
    WINDOW_HOURS,
    Note,
    Option,
    Past,
    Terms,
    compared,
    groups_of,
)
from campaigns.rules.status import OPEN_RUN
from campaigns.selectors.clocks import ahead_of
from campaigns.selectors.forecast_actuals import did_by_group
from campaigns.selectors.forecast_cells import Times, cells_of
from campaigns.selectors.forecast_past import Shown, past_of
from campaigns.selectors.funnels import Measured
from campaigns.selectors.guards import policy_of
from campaigns.selectors.leaves import community_ids_of
from scrm.accounts.models import User
from scrm.shared.clock import database_now
from scrm.shared.errors import DomainError

logger = logging.getLogger(__name__)

FRESH = timedelta(minutes=10)
#: A run that began longer ago is not forecast any more: what happened would be known in part.
FROZEN_WITHIN = timedelta(hours=6)
AT_ONCE = 20
WORST_SHOWN = 3

type Figures = dict[str, Any]


def forecast_broadcast(broadcast_id: int) -> BroadcastForecast:
    """Forecast it anew and keep that as what is said before it runs.

    Raises ``CriterionTooCostly``.
    """
    broadcast = _broadcast(broadcast_id)
    now = database_now()
    figures = figures_of(broadcast, now=now)
    return BroadcastForecast.objects.update_or_create(
        broadcast=broadcast,
        run=None,
        defaults={
            "figures": figures,
            "is_assumption": figures["is_assumption"],
            "computed_at": now,
        },
    )[0]


def make_forecast(broadcast_id: int, *, actor: User) -> BroadcastForecast:
    """The same on somebody's word."""
    return forecast_broadcast(Broadcast.objects.visible_to(actor).get(pk=broadcast_id).pk)


def forecast_now(broadcast: Broadcast) -> BroadcastForecast:
    """The forecast as of now without writing it: a fresh one is shown as it stands."""
    now = database_now()
    kept = BroadcastForecast.objects.filter(broadcast=broadcast, run=None).first()
    if kept is not None and kept.computed_at > now - FRESH:
        return kept
    figures = figures_of(_broadcast(broadcast.pk), now=now)
    return BroadcastForecast(
        broadcast=broadcast,
        figures=figures,
        is_assumption=figures["is_assumption"],
        computed_at=now,
    )


def freeze_forecast(run_id: int) -> BroadcastForecast | None:
    """What is expected of a run that has just begun: made once, and never changed afterwards."""
    run = Run.objects.select_related("broadcast").get(pk=run_id)
    kept = BroadcastForecast.objects.filter(run=run).first()
    if kept is not None or run.status not in OPEN_RUN:
        return kept
    broadcast, now = _broadcast(run.broadcast_id), database_now()
    figures = figures_of(broadcast, now=now, run=run)
    values = {
        "broadcast": broadcast,
        "figures": figures,
        "is_assumption": figures["is_assumption"],
        "computed_at": now,
    }
    return BroadcastForecast.objects.get_or_create(run=run, defaults=values)[0]


def freeze_due_forecasts() -> None:
    """Runs whose wake-up was lost. The sweep's verb."""
    due = Run.objects.open().filter(forecast=None, started_at__gt=database_now() - FROZEN_WITHIN)
    for run_id in due.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]:
        try:
            freeze_forecast(run_id)
        except DomainError:  # the others must not go without
            logger.warning("A run is too costly to forecast.", extra={"run_id": run_id})


def settle_forecast(run_id: int) -> BroadcastForecast | None:
    """Hold the forecast of a run against its final report, once."""
    forecast = BroadcastForecast.objects.filter(run=run_id, actual__isnull=True).first()
    report = RunReport.objects.filter(run=run_id, is_final=True).first()
    if forecast is None or report is None:
        return forecast
    run = Run.objects.select_related("broadcast__enterprise", "broadcast__channel_account").get(
        pk=run_id
    )
    actual = actual_of(run, report, forecast)
    with transaction.atomic():
        kept = BroadcastForecast.objects.select_for_update(no_key=True).get(pk=forecast.pk)
        if kept.actual is None:
            kept.actual = actual
            kept.save(update_fields=["actual"])
    return kept


def settle_due_forecasts() -> None:
    """Final reports whose wake-up was lost. The sweep's verb."""
    due = BroadcastForecast.objects.filter(run__report__is_final=True, actual__isnull=True)
    for run_id in due.order_by("pk").values_list("run", flat=True)[:AT_ONCE]:
        if run_id is not None:
            settle_forecast(run_id)


def figures_of(broadcast: Broadcast, *, now: datetime, run: Run | None = None) -> Figures:
    """The forecast as plain values: amounts in 分, each figure with its mean and its interval.

    A new run of an experiment that has a hold-out reaches the rest only.
    """
    from campaigns.rules.simulation import simulate  # noqa: PLC0415 - loads NumPy

    cells = cells_of(broadcast, as_of=now, run=run)
    past = past_of(broadcast, now=now)
    terms = Terms(
        margin_percent=policy_of(broadcast.enterprise_id).margin_percent,
        cost_amount=broadcast.cost_amount,
        treated_share=1 - _held_out(broadcast),
    )
    simulated = simulate(cells, past, terms, seed=broadcast.enterprise_id)
    options = [one.as_json() for one in simulated.outlooks]
    worst = sorted(zip(simulated.nets, simulated.cells, strict=True), key=lambda pair: pair[0])
    figures = {
        "version": VERSION,
        "as_of": now.isoformat(),
        "draws": DRAWS,
        "level": LEVEL,
        "window_hours": WINDOW_HOURS,
        "is_assumption": not past.is_enough,
        "broadcasts": past.broadcasts,
        "leaves": past.leaves,
        "margin_percent": terms.margin_percent,
        "cost_amount": terms.cost_amount,
        "treated_share": terms.treated_share,
        "options": options,
        "worst": [
            {
                "segment": cell.segment,
                "band": cell.band,
                "is_dormant": cell.is_dormant,
                "is_new": cell.is_new,
                "people": cell.chosen,
                "net_amount": net,
            }
            for net, cell in worst
            if net < 0 and cell.chosen
        ][:WORST_SHOWN],
        "groups": groups_of(cells),
        "unprofiled": sum(cell.chosen for cell in cells if not cell.valued),
    }
    priced = past.order_amount or any(cell.spent_amount for cell in cells)
    figures["notes"] = _notes(
        options,
        past,
        is_priced=bool(priced),
        is_valued=any(cell.valued for cell in cells),
    )
    return figures


def _notes(options: list[Figures], past: Past, *, is_priced: bool, is_valued: bool) -> list[str]:
    chosen = next((one for one in options if one["option"] == Option.CHOSEN.value), None)
    found = {
        Note.NOBODY: chosen is None,
        Note.ASSUMPTION: not past.is_enough,
        Note.NO_PRICES: not is_priced,
        Note.NO_VALUES: not is_valued,
        Note.MARGINAL_LOSS: chosen is not None and chosen["losing"] > 0,
    }
    return [note.value for note, holds in found.items() if holds]


def _held_out(broadcast: Broadcast) -> float:
    percent = (
        Experiment.objects.filter(broadcast=broadcast, winner=None)
        .values_list("holdout_percent", flat=True)
        .first()
    )
    return (percent or 0) / 100


def actual_of(run: Run, report: RunReport, forecast: BroadcastForecast) -> Figures:
    """What happened, in the figures of the forecast; None where nobody measured it."""
    said = report.figures
    shown = Shown(
        run=run.pk,
        channel="",
        recipients=said.get("recipients"),
        reached=said.get("people_reached"),
        funnel=said.get("funnel"),
        leaves=said.get("leaves"),
        sales=said.get("sales_amount"),
        groups=None,
        actual=None,
    )
    watch = shown.watch
    happened: dict[str, float | None] = {
        "reach": shown.reached,
        "clicks": shown.people_at("clicked"),
        "orders": shown.people_at("ordered"),
        "leaves": watch.get("leaves"),
        "value_at_stake": watch.get("value_amount"),
        "net": said.get("net_amount"),
    }
    return {
        **{name: happened[name] for name in COMPARED},
        "inside": compared(forecast.figures, happened),
        "groups": _did(run, report, forecast),
    }


def _did(run: Run, report: RunReport, forecast: BroadcastForecast) -> list[Figures]:
    began = report.figures.get("began_at")
    if began is None:
        return []
    ahead = ahead_of(run.broadcast)
    measured = Measured(
        run=run,
        arms=None,
        community_ids=community_ids_of(run.broadcast),
        began_at=datetime.fromisoformat(began),
        now=report.computed_at + ahead,
        ahead=ahead,
    )
    as_of = datetime.fromisoformat(forecast.figures["as_of"])
    return did_by_group(measured, Times.of(run.broadcast, as_of))


def _broadcast(broadcast_id: int) -> Broadcast:
    parts = Broadcast.objects.select_related("enterprise", "channel_account", "schedule")
    return parts.get(pk=broadcast_id)
