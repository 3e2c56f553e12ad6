"""Fitted models as rows: entered with a status, activated and retired; one serves at a time."""

from __future__ import annotations

from datetime import date, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Community
from members.errors import CannotMoveModel
from members.models import PredictionModel
from members.rules.predictions import (
    CHOSEN_DAYS,
    ModelKind,
    ModelStatus,
    model_may_become,
)
from scrm.accounts.models import Enterprise, User
from scrm.accounts.services.audit import record_audit, snapshot

FIELDS = ["status", "retired_at", "chosen_until"]
#: Of the models of one scope, those that do the same work: one of them is enough.
CHURN_KINDS = (ModelKind.CHURN_LOGISTIC, ModelKind.CHURN_BTYD)


def new_version(enterprise: Enterprise, community: Community | None, name: str, on: date) -> str:
    """Unique in the enterprise: kind, whose, day, and a number if it is not the first that day."""
    whose = "all" if community is None else f"c{community.pk}"
    version = f"{name}-{whose}-{on:%Y%m%d}"
    taken = PredictionModel.objects.filter(enterprise=enterprise)
    same = taken.filter(Q(version=version) | Q(version__startswith=f"{version}-")).count()
    return f"{version}-{same + 1}" if same else version


@transaction.atomic
def enter_model(model: PredictionModel, *, status: ModelStatus) -> PredictionModel:
    """Keep a fitted model. One that is to serve takes the place of the one that did."""
    if status == ModelStatus.ACTIVE:
        _retire_active(model)
    model.status = status
    model.save(force_insert=True)
    return model


def is_chosen(enterprise: Enterprise, community: Community | None, kind: str, *, on: date) -> bool:
    """Whether somebody chose what serves there, so recently that training leaves it alone."""
    rows = PredictionModel.objects.filter(enterprise=enterprise, community=community, kind=kind)
    return rows.filter(chosen_until__gt=on).exists()


@transaction.atomic
def activate_model(model_id: int, *, actor: User) -> PredictionModel:
    """Let a model serve again, or a candidate at last. It stays for four weeks at least; scores
    follow with the next run."""
    model = _locked(model_id, actor)
    before = snapshot(model, FIELDS)
    _move(model, ModelStatus.ACTIVE)
    _retire_active(model)
    model.retired_at = None
    return _saved(model, before, verb="activate_model", actor=actor)


@transaction.atomic
def retire_model(model_id: int, *, actor: User) -> PredictionModel:
    """Stop a model: the enterprise's serves, or the one we ship; for four weeks at least."""
    model = _locked(model_id, actor)
    before = snapshot(model, FIELDS)
    _move(model, ModelStatus.RETIRED)
    model.retired_at = timezone.now()
    return _saved(model, before, verb="retire_model", actor=actor)


def _locked(model_id: int, actor: User) -> PredictionModel:
    """Models of one enterprise change one after the other, so that never two serve."""
    model = PredictionModel.objects.visible_to(actor).get(pk=model_id)
    Enterprise.objects.select_for_update(no_key=True).get(pk=model.enterprise_id)
    model.refresh_from_db()
    return model


def _move(model: PredictionModel, target: ModelStatus) -> None:
    if not model_may_become(model.status, target):
        words = {"status": model.get_status_display(), "target": target.label}
        raise CannotMoveModel(_("“%(status)s”的模型不能改为“%(target)s”。") % words)
    model.status = target


def _retire_active(model: PredictionModel) -> None:
    kinds = CHURN_KINDS if model.kind in CHURN_KINDS else (model.kind,)
    active = PredictionModel.objects.active().filter(
        enterprise=model.enterprise_id, community=model.community_id, kind__in=kinds
    )
    active.exclude(pk=model.pk).update(
        status=ModelStatus.RETIRED, retired_at=Now(), chosen_until=None
    )


def _saved(
    model: PredictionModel, before: dict[str, object], *, verb: str, actor: User
) -> PredictionModel:
    today = timezone.now().astimezone(model.enterprise.zone).date()
    model.chosen_until = today + timedelta(days=CHOSEN_DAYS)
    model.save(update_fields=FIELDS)
    record_audit(actor, verb=verb, subject=model, before=before, after=snapshot(model, FIELDS))
    return model
