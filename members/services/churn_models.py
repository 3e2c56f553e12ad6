"""Which model scores a community: its own, the enterprise's, or the one we ship."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from communities.models import Community
from members.models import PredictionModel
from members.rules.churn import SHIPPED_MODEL, ChurnModel, churn_model
from members.rules.predictions import ModelKind
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from members.rules.btyd import BtydParams


@dataclass(frozen=True, slots=True)
class ServingModel:
    """``logistic`` gives the reasons in any case, and the probability where there is no
    ``weekly`` one (BG/NBD over active weeks)."""

    version: str
    logistic: ChurnModel
    weekly: BtydParams | None = None


SHIPPED = ServingModel(SHIPPED_MODEL.version, SHIPPED_MODEL)


def serving_model(community: Community) -> ServingModel:
    """The community's own coefficients; without any the enterprise's; without any BG/NBD over its
    active weeks; and if that fits neither, what we ship."""
    active = PredictionModel.objects.active().filter(community=community)
    own = {model.kind: model for model in active.order_by("pk")}
    if logistic := own.get(ModelKind.CHURN_LOGISTIC):
        return as_logistic(logistic)
    pooled = serving_of_enterprise(community.enterprise)
    if pooled == SHIPPED and (weekly := own.get(ModelKind.CHURN_BTYD)):
        return as_weekly(weekly)
    return pooled


def serving_of_enterprise(enterprise: Enterprise) -> ServingModel:
    """For communities without a model of their own."""
    active = PredictionModel.objects.active().filter(enterprise=enterprise, community=None)
    pooled = active.filter(kind=ModelKind.CHURN_LOGISTIC).first()
    return SHIPPED if pooled is None else as_logistic(pooled)


def as_logistic(model: PredictionModel) -> ServingModel:
    return ServingModel(model.version, churn_model(model.version, model.parameters))


def as_weekly(model: PredictionModel) -> ServingModel:
    from members.rules.btyd import BtydParams  # noqa: PLC0415 - loads SciPy

    return ServingModel(model.version, SHIPPED_MODEL, BtydParams(**model.parameters))
