"""Kinds and states of fitted models, and which moves a state may make."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ModelKind(TextChoices):
    CHURN_LOGISTIC = "churn_logistic", _("流失：逻辑回归")
    CHURN_BTYD = "churn_btyd", _("流失：BG/NBD（按周）")
    CLV = "clv", _("价值：BG/NBD × Gamma-Gamma")


class ModelStatus(TextChoices):
    CANDIDATE = "candidate", _("候选")
    ACTIVE = "active", _("在用")
    RETIRED = "retired", _("已停用")
    REJECTED = "rejected", _("未采用")


MODEL_MOVES: dict[str, frozenset[str]] = {
    ModelStatus.CANDIDATE: frozenset({ModelStatus.ACTIVE, ModelStatus.REJECTED}),
    ModelStatus.ACTIVE: frozenset({ModelStatus.RETIRED}),
    ModelStatus.RETIRED: frozenset({ModelStatus.ACTIVE}),  # going back to an older one
}

#: How long the weekly training leaves a choice of people alone.
CHOSEN_DAYS = 28


def model_may_become(current: str, target: str) -> bool:
    return target in MODEL_MOVES.get(current, frozenset())
