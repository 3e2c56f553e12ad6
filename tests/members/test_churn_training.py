"""Fitting on figures that are known: recovery, shrinkage, and what cannot be learnt."""

import numpy as np
import pytest

from members.rules.churn import SHIPPED_MODEL
from members.rules.churn_scoring import logistic, probabilities, standardised
from members.rules.churn_training import fit_logistic, fit_weekly

MEANS = np.array([term.mean for term in SHIPPED_MODEL.terms])
SDS = np.array([term.sd for term in SHIPPED_MODEL.terms])


def members(n, *, coefficients, intercept, seed=7):
    rng = np.random.default_rng(seed)
    values = MEANS + SDS * rng.normal(size=(n, 10))
    chance = logistic(intercept + standardised(SHIPPED_MODEL, values) @ coefficients)
    return values, rng.random(n) < chance


def coefficients_of(model):
    return np.array([term.coefficient for term in model.terms])


def test_many_rows_give_the_coefficients_they_came_from():
    truth = np.array([1.2, -0.5, 0, 0.4, 0, -0.8, 0.3, 0, 0.6, -0.2])
    values, silent = members(40_000, coefficients=truth, intercept=-1)

    fit = fit_logistic(values, silent, prior=SHIPPED_MODEL, version="v")

    assert fit.converged
    assert fit.model.intercept == pytest.approx(-1, abs=0.05)
    assert coefficients_of(fit.model) == pytest.approx(truth, abs=0.06)


def test_no_rows_leave_the_coefficients_as_they_are():
    fit = fit_logistic(np.empty((0, 10)), np.empty(0), prior=SHIPPED_MODEL, version="v")

    assert fit.converged
    assert fit.model == SHIPPED_MODEL._replace(version="v")


def test_few_rows_stay_near_them_and_learn_how_often_people_fall_silent():
    truth = coefficients_of(SHIPPED_MODEL)
    values, silent = members(40, coefficients=truth, intercept=2)

    fit = fit_logistic(values, silent, prior=SHIPPED_MODEL, version="v")

    assert np.abs(coefficients_of(fit.model) - truth).max() < 0.35
    assert fit.model.intercept > 0


def test_a_feature_that_separates_the_silent_has_no_infinite_weight():
    values, _silent = members(400, coefficients=np.zeros(10), intercept=0)
    silent = values[:, 0] > MEANS[0]

    fit = fit_logistic(values, silent, prior=SHIPPED_MODEL, version="v")

    assert fit.converged
    assert coefficients_of(fit.model)[0] < 10
    assert np.isfinite(probabilities(fit.model, values)).all()


def test_a_feature_without_variance_keeps_its_weight():
    values, silent = members(2_000, coefficients=coefficients_of(SHIPPED_MODEL), intercept=-2)
    values[:, 9] = MEANS[9]

    fit = fit_logistic(values, silent, prior=SHIPPED_MODEL, version="v")

    assert coefficients_of(fit.model)[9] == pytest.approx(-0.75)


@pytest.mark.parametrize("silent", [False, True])
def test_where_all_end_the_same_way_the_answer_is_finite(silent):
    values, _silent = members(500, coefficients=np.zeros(10), intercept=0)

    fit = fit_logistic(values, np.full(500, silent), prior=SHIPPED_MODEL, version="v")

    assert fit.converged
    assert np.isfinite(coefficients_of(fit.model)).all()


def test_figures_that_are_no_numbers_do_not_converge():
    values = np.full((10, 10), np.nan)

    fit = fit_logistic(values, np.ones(10), prior=SHIPPED_MODEL, version="v")

    assert not fit.converged


def test_weeks_of_people_who_come_and_go_can_be_fitted_and_those_of_one_habit_cannot():
    rng = np.random.default_rng(3)
    weeks = np.zeros(400, dtype=np.int32)
    for place, rate in enumerate(rng.gamma(1, 0.4, 400)):
        active = rng.random(26) < 1 - np.exp(-rate)
        active[: rng.geometric(0.08)] &= rng.random() < 0.6  # gone for the last weeks
        weeks[place] = sum(1 << week for week in np.flatnonzero(active))

    assert fit_weekly(weeks).is_sound
    assert not fit_weekly(np.full(400, 0b1, dtype=np.int32)).is_sound
