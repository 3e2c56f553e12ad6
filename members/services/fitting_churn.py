"""Fitting the churn model of a community or of an enterprise, and whether it may serve.

What is learnt is a candidate: it serves only if, on the last cut-off whose horizon is over and
which it has not seen, it is not worse than what serves now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta

import numpy as np
from django.db import connection, transaction

from communities.models import Community
from members.models import PredictionModel
from members.rules.churn import SHIPPED_MODEL
from members.rules.churn_scoring import Numbers, probabilities, weekly_probabilities
from members.rules.churn_training import (
    LEAST_CHURNERS,
    LEAST_LABELS,
    LEAST_ROWS,
    LEAST_WEEKLY_MEMBERS,
    fit_logistic,
    fit_weekly,
)
from members.rules.predictions import ModelKind, ModelStatus
from members.rules.score_checks import brier, figures_of
from members.selectors.measuring import Span, is_measured, measured_spans
from members.services.churn_histories import histories_of
from members.services.churn_labels import (
    MEASURED_BEFORE,
    Labelled,
    closed_cuts,
    labelled_at,
    sample_of,
)
from members.services.churn_models import ServingModel, serving_model, serving_of_enterprise
from members.services.model_registry import enter_model, is_chosen, new_version
from scrm.accounts.models import Enterprise

MOST_MEMBERS = 5_000  # looked at in one community; more teach ten coefficients nothing
MOST_POOLED_MEMBERS = 20_000
MOST_POOLED_CUTS = 13
LEAST_TO_COMPARE = 30  # members at the last cut-off; fewer tell nothing about who is better
LEAST_WEEKS = timedelta(days=56)  # fewer weeks tell nothing about who has left for good
WORSE_BY = 1.02  # a Brier score higher by more than two per cent


@dataclass(frozen=True)
class Fitted:
    """``outcome``: activated, chosen, worse, not_converged, uncompared, too_few, no_labels,
    unsound, unmeasured."""

    outcome: str
    version: str = ""
    rows: int = 0
    churners: int = 0


@dataclass(frozen=True)
class Scope:
    """Whose coefficients they are; without a community the enterprise's."""

    enterprise: Enterprise
    community: Community | None
    on: date


@dataclass(frozen=True)
class Material:
    """``training`` is of cut-offs whose horizon was over by ``newest``, which is compared on."""

    training: Labelled
    newest: Labelled
    cuts: list[date]


@transaction.atomic
def fit_community(community: Community, *, on: date) -> Fitted:
    """Learn from the days before ``on``. With too few labelled rows for coefficients the
    enterprise's or the shipped ones serve, and with hardly any BG/NBD over active weeks."""
    spans = measured_spans(community)
    if not is_measured(spans, on - MEASURED_BEFORE, on):
        return Fitted("unmeasured")
    scope = Scope(community.enterprise, community, on)
    sample = sample_of([community.pk], MOST_MEMBERS)
    cuts = [(cut, [community.pk]) for cut in closed_cuts(spans, until=on)]
    material = material_of(community.enterprise, cuts, sample=sample)
    if len(material.training) + len(material.newest) < LEAST_LABELS:
        return _fit_weekly(scope, material, spans, sample=sample)
    return _fit_logistic(scope, material, serving_model(community))


@transaction.atomic
def fit_pooled(enterprise: Enterprise, *, on: date) -> Fitted:
    """Coefficients for those communities that have none of their own."""
    cuts: dict[date, list[int]] = {}
    for community in Community.objects.filter(enterprise=enterprise).select_related("enterprise"):
        for cut in closed_cuts(measured_spans(community), until=on, most=MOST_POOLED_CUTS):
            cuts.setdefault(cut, []).append(community.pk)
    everywhere = {pk for pks in cuts.values() for pk in pks}
    if len(everywhere) < 2:
        return Fitted("no_labels")
    newest_first = sorted(cuts.items(), reverse=True)
    sample = sample_of(sorted(everywhere), MOST_POOLED_MEMBERS)
    material = material_of(enterprise, newest_first, sample=sample)
    return _fit_logistic(Scope(enterprise, None, on), material, serving_of_enterprise(enterprise))


def material_of(
    enterprise: Enterprise, cuts: Sequence[tuple[date, list[int]]], *, sample: list[int] | None
) -> Material:
    """``cuts`` are given newest first."""
    return Material(
        labelled_at(enterprise, cuts[1:], sample=sample),
        labelled_at(enterprise, cuts[:1], sample=sample),
        [cut for cut, _communities in cuts],
    )


def _fit_logistic(scope: Scope, material: Material, serving: ServingModel) -> Fitted:
    rows, churners = len(material.training), material.training.churners
    found = Fitted("too_few", rows=rows, churners=churners)
    if rows < LEAST_ROWS or min(churners, rows - churners) < LEAST_CHURNERS:
        return found
    version = new_version(scope.enterprise, scope.community, "churn", scope.on)
    training = material.training
    fit = fit_logistic(training.values, training.fell_silent, prior=SHIPPED_MODEL, version=version)
    outcome, figures = _compared(scope, fit.model, fit.converged, material.newest, serving)
    enter_model(
        PredictionModel(
            enterprise=scope.enterprise,
            community=scope.community,
            kind=ModelKind.CHURN_LOGISTIC,
            version=version,
            parameters=fit.model.parameters(),
            figures={**figures, "steps": fit.steps, "cuts": len(material.cuts)},
            notes=[{"code": outcome, "version": serving.version}],
            trained_until=material.cuts[0],
            row_count=rows,
            positive_count=churners,
        ),
        status=STATUS_OF_OUTCOME[outcome],
    )
    return replace(found, outcome=outcome, version=version)


STATUS_OF_OUTCOME = {
    "activated": ModelStatus.ACTIVE,
    "chosen": ModelStatus.CANDIDATE,
    "worse": ModelStatus.REJECTED,
    "uncompared": ModelStatus.REJECTED,
    "not_converged": ModelStatus.REJECTED,
    "unsound": ModelStatus.REJECTED,
}


def _compared(
    scope: Scope, model: object, converged: bool, newest: Labelled, serving: ServingModel
) -> tuple[str, dict[str, object]]:
    """The drift guard: what is learnt against what serves, on members that neither was fitted on.

    A community served by BG/NBD is compared with the shipped coefficients, which need no weeks.
    """
    if not converged:
        return "not_converged", {}
    if len(newest) < LEAST_TO_COMPARE:
        return "uncompared", {"newest": len(newest)}
    new = probabilities(model, newest.values)  # type: ignore[arg-type]
    old = brier(probabilities(serving.logistic, newest.values), newest.fell_silent)
    figures = figures_of(new, newest.silence, newest.fell_silent)
    figures |= {"newest": len(newest), "former_brier": old}
    if old is not None and figures["brier"] > old * WORSE_BY:
        return "worse", figures
    kind = ModelKind.CHURN_LOGISTIC
    if is_chosen(scope.enterprise, scope.community, kind, on=scope.on):
        return "chosen", figures
    return "activated", figures


def _fit_weekly(
    scope: Scope, material: Material, spans: list[Span], *, sample: list[int] | None
) -> Fitted:
    """Too little is known of what became of members: the rhythm of their weeks has to tell.

    Where a few labels are there, it must not be worse on them than what serves.
    """
    community = scope.community
    if community is None or not is_measured(spans, scope.on - LEAST_WEEKS, scope.on):
        return Fitted("no_labels")
    serving = serving_of_enterprise(scope.enterprise)
    if serving.version != SHIPPED_MODEL.version:
        return Fitted("no_labels")  # the enterprise's coefficients serve
    weeks = _weeks_before(scope.on, community, sample=sample)
    if len(weeks) < LEAST_WEEKLY_MEMBERS:
        return Fitted("no_labels", rows=len(weeks))
    fit = fit_weekly(weeks)
    outcome = "activated" if fit.is_sound else "unsound"
    if fit.is_sound and _is_worse_by_weeks(community, material, serving, sample=sample):
        outcome = "worse"
    elif is_chosen(scope.enterprise, community, ModelKind.CHURN_BTYD, on=scope.on):
        outcome = "chosen"
    version = new_version(scope.enterprise, community, "weekly", scope.on)
    note = {"code": "weekly" if outcome == "activated" else outcome, "version": serving.version}
    enter_model(
        PredictionModel(
            enterprise=scope.enterprise,
            community=community,
            kind=ModelKind.CHURN_BTYD,
            version=version,
            parameters=asdict(fit.params),
            figures={"log_likelihood": round(fit.log_likelihood, 3)},
            notes=[note],
            trained_until=scope.on,
            row_count=len(weeks),
        ),
        status=STATUS_OF_OUTCOME[outcome],
    )
    return Fitted(outcome, version, len(weeks))


def _is_worse_by_weeks(
    community: Community, material: Material, serving: ServingModel, *, sample: list[int] | None
) -> bool:
    """On the last closed cut-off, by a fit on what was known then."""
    newest = material.newest
    if len(newest) < LEAST_TO_COMPARE:
        return False
    fit = fit_weekly(_weeks_before(material.cuts[0], community, sample=sample))
    new = brier(weekly_probabilities(fit.params, newest.weeks), newest.fell_silent)
    old = brier(probabilities(serving.logistic, newest.values), newest.fell_silent)
    return new is not None and old is not None and new > old * WORSE_BY


def _weeks_before(cutoff: date, community: Community, *, sample: list[int] | None) -> Numbers:
    """Of everybody seen in the last half year, however long ago."""
    with connection.cursor() as cursor:
        histories = histories_of(
            cursor, community.enterprise, [community.pk], cutoff=cutoff, sample=sample
        )
    return np.asarray(histories["weeks"][histories["weeks"] != 0])
