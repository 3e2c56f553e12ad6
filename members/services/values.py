"""The nightly valuing of members: facts, a model, scores, bands, and each week the matrix.

Only what is known before the day goes in. Each step is a slice of members, kept with how far it
got, so that memory does not depend on how many there are and a worker that dies is succeeded.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from members.models import DailyRun, PredictionModel
from members.rules.daily_runs import DailyRunKind
from members.rules.rfm import RfmBasis, RfmCuts
from members.selectors.measuring import measured_communities
from members.services.daily_runs import (
    claim_run,
    enterprises_due,
    finish_run,
    keep_run,
    leave_run,
)
from members.services.value_cells import close_cells, is_cut_due, open_cells
from members.services.value_facts import BEHAVIOUR_DAYS, currencies_of, write_facts
from members.services.value_models import model_of_value
from members.services.value_scores import (
    band_cuts,
    rfm_cuts,
    slice_end,
    write_bands,
    write_scores,
)
from scrm.accounts.models import Enterprise

SLICE = 50_000  # members in one step
VALUED_FROM = time_of_day(2, 40)  # local time: after the snapshots, before the scoring
FACTS, MODEL, SCORES, BANDS, CELLS, DONE = "facts", "model", "scores", "bands", "cells", "done"


@dataclass
class Progress:
    """How far the valuing of a day is: the stage, the last member of it, and what the stages
    after it need to know. ``notes`` is JSON."""

    stage: str = FACTS
    after: int = 0
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return self.stage == DONE

    def next(self, stage: str) -> None:
        self.stage, self.after = stage, 0


@dataclass(frozen=True)
class ValueResult:
    """``unconsented`` members have no value because they may not be profiled."""

    valued: int
    unconsented: int
    basis: str
    currency: str | None
    model: PredictionModel | None


def value_enterprise(enterprise: Enterprise, *, on: date) -> ValueResult:
    """Value every member of an enterprise on the strength of the days before ``on``, at once.
    It is kept as the run of that day."""
    progress = Progress()
    while not progress.is_done:
        _step(enterprise, on, progress)
    done = {
        "notes": {**progress.notes, "stage": DONE},
        "member_count": progress.notes.get("valued", 0),
        "finished_at": Now(),
        "lease_until": None,
    }
    DailyRun.objects.update_or_create(
        enterprise=enterprise, kind=DailyRunKind.VALUES, day=on, defaults=done
    )
    return result_of(progress.notes)


def result_of(notes: dict[str, Any]) -> ValueResult:
    model = PredictionModel.objects.filter(pk=notes.get("model") or 0).first()
    currencies = notes.get("currencies") or [None]
    return ValueResult(
        valued=notes.get("valued", 0),
        unconsented=notes.get("unconsented", 0),
        basis=notes.get("basis", RfmBasis.PURCHASES),
        currency=currencies[0],
        model=model,
    )


# --- The daily run ------------------------------------------------------------------------------


def enterprises_to_value(now: datetime) -> list[tuple[int, date]]:
    return enterprises_due(DailyRunKind.VALUES, now, begins=VALUED_FROM)


def continue_valuing(enterprise_id: int, *, day: date, budget: float) -> bool:
    """Work on the values of a day for ``budget`` seconds. Returns whether they are finished.

    Where another worker is at it there is nothing to do, and the answer is yes.
    """
    run = claim_run(DailyRunKind.VALUES, enterprise_id, day)
    if run is None:
        return True
    enterprise = Enterprise.objects.get(pk=enterprise_id)
    deadline = time.monotonic() + budget
    while _keep_step(run, enterprise):
        if run.notes.get("stage") == DONE:
            finish_run(run)
            return True
        if time.monotonic() >= deadline:
            leave_run(run)
            return False
    return True  # the lease was lost to somebody else


@transaction.atomic
def _keep_step(run: DailyRun, enterprise: Enterprise) -> bool:
    """One step, kept together with the place it leads to."""
    known = dict(run.notes)
    progress = Progress(known.pop("stage", FACTS), run.last_member_id, known)
    _step(enterprise, run.day, progress)
    kept = keep_run(
        run,
        last_member_id=progress.after,
        member_count=progress.notes.get("valued", 0),
        notes={**progress.notes, "stage": progress.stage},
    )
    if not kept:
        transaction.set_rollback(True)
    return kept


# --- The steps ----------------------------------------------------------------------------------


def _step(enterprise: Enterprise, on: date, progress: Progress) -> None:
    {
        FACTS: _look,
        MODEL: _model,
        SCORES: _score,
        BANDS: _band,
        CELLS: _cells,
    }[progress.stage](enterprise, on, progress)


def _look(enterprise: Enterprise, on: date, progress: Progress) -> None:
    notes = progress.notes
    if "currencies" not in notes:
        notes["currencies"] = currencies_of(enterprise, on=on)
    currencies = notes["currencies"]
    step = write_facts(
        enterprise,
        on=on,
        after=progress.after,
        size=SLICE,
        measured=measured_communities(enterprise, on - timedelta(days=BEHAVIOUR_DAYS), on),
        **({"currency": currencies[0]} if currencies else {}),
    )
    if step.upto is None:
        progress.next(MODEL)
        return
    progress.after = step.upto
    notes["valued"] = notes.get("valued", 0) + step.valued
    notes["unconsented"] = notes.get("unconsented", 0) + step.people - step.valued


def _model(enterprise: Enterprise, on: date, progress: Progress) -> None:
    model = model_of_value(enterprise, on=on, currencies=progress.notes["currencies"])
    cuts = rfm_cuts(enterprise)
    progress.notes |= {
        "model": model.pk if model else None,
        "basis": cuts.basis.value,
        "recency": [cut.isoformat() for cut in cuts.recency],
        "frequency": list(cuts.frequency),
        "monetary": list(cuts.monetary),
    }
    progress.next(SCORES)


def _cuts(notes: dict[str, Any]) -> RfmCuts:
    return RfmCuts(
        RfmBasis(notes["basis"]),
        recency=tuple(date.fromisoformat(cut) for cut in notes["recency"]),
        frequency=tuple(notes["frequency"]),
        monetary=tuple(notes["monetary"]),
    )


def _score(enterprise: Enterprise, on: date, progress: Progress) -> None:
    upto = slice_end(enterprise, after=progress.after, size=SLICE)
    if upto is None:
        progress.notes["bands"] = band_cuts(enterprise)
        progress.next(BANDS)
        return
    model = PredictionModel.objects.filter(pk=progress.notes["model"]).first()
    known = None if model is None else (model.version, model.parameters)
    cuts = _cuts(progress.notes)
    write_scores(enterprise, on=on, ids=(progress.after, upto), cuts=cuts, model=known)
    progress.after = upto


def _band(enterprise: Enterprise, on: date, progress: Progress) -> None:
    upto = slice_end(enterprise, after=progress.after, size=SLICE)
    if upto is None:
        progress.next(CELLS)
        return
    cuts = progress.notes["bands"]
    known = None if cuts is None else (cuts[0], cuts[1])
    write_bands(enterprise, on=on, ids=(progress.after, upto), cuts=known)
    progress.after = upto


def _cells(enterprise: Enterprise, on: date, progress: Progress) -> None:
    close_cells(enterprise, on=on)
    if is_cut_due(enterprise, on=on):
        open_cells(enterprise, cut=on)
    progress.next(DONE)
