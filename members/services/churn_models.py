"""Which model scores a community: its own, the enterprise's, or the one we ship."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from communities.models import Community
from members.models import PredictionModel
from members.rules.churn import SHIPPED_MODEL, ChurnModel, churn_model
from members.rules.predictions import ModelKind

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
    active = PredictionModel.objects.active().filter(enterprise=community.enterprise_id)
    own = {model.kind: model for model in active.filter(community=community)}
    logistic = (
        own.get(ModelKind.CHURN_LOGISTIC)
        or active.filter(community=None, kind=ModelKind.CHURN_LOGISTIC).first()
    )
    if logistic is not None:
        return as_logistic(logistic)
    if weekly := own.get(ModelKind.CHURN_BTYD):
        return as_weekly(weekly)
    return SHIPPED


def as_serving(model: PredictionModel) -> ServingModel:
    return as_logistic(model) if model.kind == ModelKind.CHURN_LOGISTIC else as_weekly(model)


def as_logistic(model: PredictionModel) -> ServingModel:
    return ServingModel(model.version, churn_model(model.version, model.parameters))


def as_weekly(model: PredictionModel) -> ServingModel:
    from members.rules.btyd import BtydParams  # noqa: PLC0415 - loads SciPy

    return ServingModel(model.version, SHIPPED_MODEL, BtydParams(**model.parameters))
