"""The enterprise's own model of what members will buy: fitted weekly on the compressed table,
checked on the later half of its own history, and put aside where it is not sound."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from members.models import PredictionModel
from members.rules.clv_models import Note, holdout_days, is_refit_due
from members.rules.predictions import ModelKind, ModelStatus
from members.services.model_registry import enter_model, is_chosen, new_version
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from members.rules.clv_fitting import Amounts, ClvFit, Customers

#: Above so many buyers time is counted in whole weeks and amounts to half a percent, so that the
#: table stays small; and a history is compared for a part of them.
MOST_BY_DAY = 200_000
MOST_COMPARED = 100_000

TOTALS = """
SELECT count(*), sum(purchase_days), sum(spent_amount), min(first_purchase_on)
FROM members_membervalue WHERE enterprise_id = %s AND purchase_days > 0
"""
CUSTOMERS = """
SELECT purchase_days - 1,
       round((last_purchase_on - first_purchase_on)::numeric / %(unit)s)::int AS tx,
       round(greatest(%(on)s::date - 1 - first_purchase_on, 0)::numeric / %(unit)s)::int AS age,
       count(*)
FROM members_membervalue WHERE enterprise_id = %(enterprise)s AND purchase_days > 0
GROUP BY 1, 2, 3
"""
AMOUNTS = """
SELECT x, CASE WHEN %(unit)s = 1 THEN z ELSE exp(round(ln(z) * 100) / 100) END AS amount, count(*)
FROM (
    SELECT purchase_days - 1 AS x, repeat_amount::float8 / (purchase_days - 1) AS z
    FROM members_membervalue
    WHERE enterprise_id = %(enterprise)s AND purchase_days > 1 AND repeat_amount > 0
) repeater GROUP BY x, amount
"""
HISTORY = """
SELECT count(*) FILTER (WHERE day < %(cut)s) - 1,
       max(day) FILTER (WHERE day < %(cut)s) - min(day),
       %(cut)s::date - 1 - min(day),
       (sum(net_amount) FILTER (WHERE day < %(cut)s))::float8
           - (array_agg(net_amount ORDER BY day))[1],
       (array_agg(net_amount ORDER BY day))[1],
       count(*) FILTER (WHERE day >= %(cut)s),
       coalesce(sum(net_amount) FILTER (WHERE day >= %(cut)s), 0)::float8
FROM members_purchaseday bought JOIN members_membervalue value USING (member_id)
WHERE value.enterprise_id = %(enterprise)s AND bought.enterprise_id = %(enterprise)s
  AND bought.currency = %(currency)s AND bought.day < %(on)s AND bought.standing_count > 0
  AND member_id %% %(part)s = 0
GROUP BY member_id HAVING min(day) < %(cut)s
"""


def model_of_value(
    enterprise: Enterprise, *, on: date, currencies: Sequence[str]
) -> PredictionModel | None:
    """The model to value members with, fitted anew where that is due. None: nobody has bought."""
    if not currencies:
        return None
    models = PredictionModel.objects.filter(enterprise=enterprise, kind=ModelKind.CLV)
    latest = models.order_by("-trained_until", "-pk").first()
    active = models.active().first()
    fits = active is not None and active.parameters.get("currency") == currencies[0]
    if fits and latest is not None and not is_refit_due(latest.trained_until, on):
        return active
    return fit_model(enterprise, on=on, currencies=currencies)


@transaction.atomic
def fit_model(
    enterprise: Enterprise, *, on: date, currencies: Sequence[str]
) -> PredictionModel | None:
    """Fit on the facts written for a day, and keep what came of it.

    A sound fit becomes the model in use. One that is not is kept as rejected, with the reasons, and
    the model before it stays; where there is none, the published parameters stand in.
    """
    from members.rules.clv_fitting import (  # noqa: PLC0415 - loads NumPy and SciPy
        ClvFit,
        default_params,
        fit_clv,
    )

    Enterprise.objects.select_for_update(no_key=True).get(pk=enterprise.pk)
    with connection.cursor() as cursor:
        cursor.execute(TOTALS, [enterprise.pk])
        buyers, days, spent, first = cursor.fetchone()
    if not buyers:
        return None
    mean = float(spent) / float(days)
    customers, amounts = compressed_tables(enterprise, on=on, buyers=buyers)
    fit = fit_clv(customers, amounts, mean_amount=mean)
    keeping = _Keeping(enterprise, on, currencies)
    if is_chosen(enterprise, None, ModelKind.CLV, on=on):
        if keeping.former is not None:
            return keeping.put_aside(fit)
        fit = ClvFit(
            default_params(mean),
            fit.buyer_count,
            fit.repeater_count,
            is_default=True,
            notes=({"code": "retired_by_hand"},),
        )
    if fit.params is None:
        keeping.reject(fit)
        if keeping.former is not None:
            return keeping.former
    params = fit.params or default_params(mean)
    is_default = fit.is_default or fit.params is None
    checked = _check_on_history(enterprise, on=on, first=first, currency=currencies[0])
    return keeping.use(fit, params.as_json() | {"is_default": is_default}, checked)


def compressed_tables(
    enterprise: Enterprise, *, on: date, buyers: int
) -> tuple[Customers, Amounts]:
    """What there is to fit, one row for all customers with the same figures."""
    import numpy as np  # noqa: PLC0415 - slow to load

    from members.rules.clv_fitting import Amounts, Customers  # noqa: PLC0415 - likewise

    unit = 1 if buyers <= MOST_BY_DAY else 7
    known: dict[str, int | date] = {"enterprise": enterprise.pk, "on": on, "unit": unit}
    with connection.cursor() as cursor:
        cursor.execute(CUSTOMERS, known)
        x, tx, age, count = np.array(cursor.fetchall(), dtype=float).reshape(-1, 4).T
        cursor.execute(AMOUNTS, known)
        repeats, mean, people = np.array(cursor.fetchall(), dtype=float).reshape(-1, 3).T
    weeks = unit / 7
    return Customers(x, tx * weeks, age * weeks, count), Amounts(repeats, mean, people)


class _Keeping:
    """What becomes of a fit in the table of models. ``former`` is the model it would replace: one
    of another currency is of no use any more."""

    def __init__(self, enterprise: Enterprise, on: date, currencies: Sequence[str]) -> None:
        self.enterprise, self.on, self.currency = enterprise, on, currencies[0]
        rows = PredictionModel.objects.active().filter(enterprise=enterprise, kind=ModelKind.CLV)
        self.former = rows.filter(parameters__currency=self.currency).first()
        self.notes: list[Note] = []
        if len(currencies) > 1:
            self.notes.append({"code": "several_currencies", "currency": self.currency})

    def put_aside(self, fit: ClvFit) -> PredictionModel | None:
        """People chose the model that serves: the new one waits. Returns the one that serves."""
        assert self.former is not None
        note: Note = {"code": "chosen_model", "version": self.former.version}
        parameters = {} if fit.params is None else fit.params.as_json()
        status = ModelStatus.REJECTED if fit.params is None else ModelStatus.CANDIDATE
        self._enter(fit, parameters, fit.figures, [*fit.notes, note], status)
        return self.former

    def reject(self, fit: ClvFit) -> None:
        """Keep a fit that is of no use, with the reasons."""
        notes = [*fit.notes]
        if self.former is not None:
            notes.append({"code": "kept_former", "version": self.former.version})
        self._enter(fit, {}, fit.figures, notes, ModelStatus.REJECTED)

    def use(
        self, fit: ClvFit, parameters: dict[str, Any], checked: dict[str, Any]
    ) -> PredictionModel:
        notes = [*fit.notes]
        if not checked:
            notes.append({"code": "no_holdout"})
        figures = fit.figures | ({"holdout": checked} if checked else {})
        return self._enter(fit, parameters, figures, notes, ModelStatus.ACTIVE)

    def _enter(
        self,
        fit: ClvFit,
        parameters: dict[str, Any],
        figures: dict[str, Any],
        notes: list[Note],
        status: ModelStatus,
    ) -> PredictionModel:
        model = PredictionModel(
            enterprise=self.enterprise,
            kind=ModelKind.CLV,
            version=new_version(self.enterprise, None, "clv", self.on),
            parameters=parameters | {"currency": self.currency},
            figures=figures,
            notes=[*notes, *self.notes],
            trained_until=self.on,
            row_count=fit.buyer_count,
            positive_count=fit.repeater_count,
        )
        return enter_model(model, status=status)


def _check_on_history(
    enterprise: Enterprise, *, on: date, first: date, currency: str
) -> dict[str, Any]:
    """Fit on the earlier part of the history and compare with the later one; {} where there is
    too little of it."""
    days = holdout_days(first, on)
    if days is None:
        return {}
    cut = on - timedelta(days=days)
    return check_on_history(enterprise, on=on, cut=cut, currency=currency)


def check_on_history(
    enterprise: Enterprise, *, on: date, cut: date, currency: str
) -> dict[str, Any]:
    """What a model fitted on the days before ``cut`` would have said of those until ``on``."""
    import numpy as np  # noqa: PLC0415 - slow to load

    from members.rules.clv_fitting import (  # noqa: PLC0415 - likewise
        Amounts,
        Customers,
        History,
        compare,
        fit_clv,
    )

    rows = _history(enterprise, on=on, cut=cut, currency=currency)
    if not len(rows):
        return {}
    x, last, age, again, once, later_days, later_amount = rows.T
    ones = np.ones_like(x)
    mean = np.divide(again, x, out=np.zeros_like(x), where=x > 0)
    spent, bought = float(again.sum() + once.sum()), float((x + 1).sum())
    repeated = (x > 0) & (again > 0)
    fit = fit_clv(
        Customers(x, last / 7, age / 7, ones),
        Amounts(x[repeated], mean[repeated], ones[repeated]),
        mean_amount=spent / bought,
    )
    if fit.params is None:
        return {}
    history = History(x, last / 7, age / 7, mean, later_days, later_amount)
    weeks = (on - cut).days / 7
    compared = compare(fit.params, history, weeks=weeks)
    return {
        "until": cut.isoformat(),
        "weeks": round(weeks, 1),
        "buyers": len(rows),
        "is_default": fit.is_default,
        **compared,
    }


def _history(enterprise: Enterprise, *, on: date, cut: date, currency: str) -> Any:
    """One row for each buyer, of a part of them where they are very many."""
    import numpy as np  # noqa: PLC0415 - slow to load

    with connection.cursor() as cursor:
        cursor.execute(TOTALS, [enterprise.pk])
        buyers = cursor.fetchone()[0]
        known = {
            "enterprise": enterprise.pk,
            "on": on,
            "cut": cut,
            "currency": currency,
            "part": 1 + buyers // MOST_COMPARED,
        }
        cursor.execute(HISTORY, known)
        return np.array(cursor.fetchall(), dtype=float).reshape(-1, 7)
