"""BG/NBD, MBG/NBD and Gamma-Gamma against what was published.

The tables in ``published`` are values of Fader, Hardie and Lee (2005), of Batislam, Denizel and
Filiztekin (2007) and of the tests of other implementations. The log of purchases behind them is
read where it lies beside this project.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from members.rules.btyd import (
    BtydParams,
    expected_purchases,
    fit_bgnbd,
    fit_mbgnbd,
    log_likelihood,
    p_alive,
    p_silent,
    probability_of_count,
)
from members.rules.clv import UNIT_AMOUNT, ClvParams, expectation, expectation_of_days
from members.rules.clv_fitting import Amounts, Customers, fit_clv
from members.rules.gamma_gamma import GammaGammaParams, expected_amount, fit_gamma_gamma

PUBLISHED = Path(__file__).parent / "published"
LOG = Path(__file__).resolve().parents[3] / "shared/data"
SUMMARY = LOG / "cdnow_customers_summary_with_transactions.csv"
needs_the_log = pytest.mark.skipif(not SUMMARY.exists(), reason="the log is not here")

BGNBD = BtydParams(0.243, 4.414, 0.793, 2.426)
MBGNBD = BtydParams(0.525, 6.183, 0.891, 1.614, modified=True)
AMOUNTS = GammaGammaParams(6.25, 3.74, 15.44)
MANY = 100_000


def table(name):
    with (PUBLISHED / name).open() as file:
        return list(csv.DictReader(file))


def column(rows, name):
    return np.array([float(row[name]) for row in rows])


@pytest.fixture(scope="module")
def customers():
    with SUMMARY.open() as file:
        rows = list(csv.DictReader(file))
    return tuple(column(rows, name) for name in ("x", "t_x", "T", "zbar"))


def test_expected_purchases_of_the_published_customer():
    assert expected_purchases(BGNBD, 2, 30.43, 38.86, 39) == pytest.approx(1.226, abs=0.001)


def test_expected_purchases_of_somebody_new():
    rows = table("bgnbd_unconditional.csv")
    found = [float(expected_purchases(BGNBD, 0, 0, 0, t)) for t in column(rows, "t")]
    assert found == pytest.approx(column(rows, "expected"), abs=0.003)


def test_probabilities_of_counts():
    rows = table("bgnbd_counts.csv")
    found = [float(probability_of_count(BGNBD, int(row["n"]), float(row["t"]))) for row in rows]
    assert found == pytest.approx(column(rows, "probability"), rel=1e-5)
    assert probability_of_count(BGNBD, np.arange(2_000), 30.0).sum() == pytest.approx(1, abs=1e-3)


def test_probabilities_of_being_alive():
    rows = table("bgnbd_alive.csv")
    found = p_alive(BGNBD, *(column(rows, name) for name in ("x", "tx", "age")))
    assert found == pytest.approx(column(rows, "alive"), abs=1e-4)


def test_who_never_came_back_is_alive_by_construction_so_it_is_no_risk_of_churn():
    assert float(p_alive(BGNBD, 0, 0, 38.86)) == 1.0
    assert float(p_alive(MBGNBD, 0, 0, 38.86)) < 1.0
    assert 0.5 < float(p_silent(BGNBD, 0, 0, 38.86, 4)) < 1.0


def test_the_unit_of_time_does_not_matter():
    tenfold = BtydParams(0.243, 44.14, 0.793, 2.426)
    found = p_alive(tenfold, [2, 1], [304.3, 17.1], [388.6, 388.6])
    assert found == pytest.approx(p_alive(BGNBD, [2, 1], [30.43, 1.71], [38.86, 38.86]), abs=1e-4)


def test_amounts_of_the_first_ten_published_customers():
    rows = table("gamma_gamma_amounts.csv")
    found = expected_amount(AMOUNTS, column(rows, "x"), column(rows, "z"))
    assert found == pytest.approx(column(rows, "expected"), abs=0.1)
    assert AMOUNTS.mean == pytest.approx(35.17, abs=0.1)


@pytest.mark.parametrize("params", [BGNBD, MBGNBD, BtydParams(0.5, 4.0, 1.0, 2.0)])
def test_silence_is_certain_at_once_and_less_likely_the_longer_it_is(params):
    x = np.array([0, 0, 1, 5, 40, MANY, MANY])
    tx = np.array([0, 0, 3.0, 20, 38, 38.5, 2])
    age = np.array([0, 39.0, 39, 39, 39, 39, 39])
    horizons = [0, 0.1, 1, 4, 26, 520, 10_000]
    silent = np.array([p_silent(params, x, tx, age, horizon) for horizon in horizons])
    assert (silent[0] == 1).all()
    assert (np.diff(silent, axis=0) <= 0).all()
    assert (silent >= 0).all()
    assert (silent <= 1).all()


@pytest.mark.parametrize("params", [BGNBD, MBGNBD, BtydParams(0.5, 4.0, 1.0, 2.0)])
def test_a_hundred_thousand_purchases_overflow_nothing(params):
    x, tx = np.array([MANY, MANY, 6_000]), np.array([38.86, 20.0, 38.0])
    for found in (
        expected_purchases(params, x, tx, 38.86, 39),
        p_alive(params, x, tx, 38.86),
        p_silent(params, x, tx, 38.86, 4),
        log_likelihood(params, x, tx, 38.86),
    ):
        assert np.isfinite(found).all()


def test_the_value_of_twelve_months_is_discounted_and_sums_the_months():
    params = ClvParams(BGNBD, UNIT_AMOUNT)
    found = expectation(params, 2, 30.43, 38.86, 1.0)
    year = expected_purchases(BGNBD, 2, 30.43, 38.86, 365 / 7)
    assert float(found.purchases) == pytest.approx(float(year))
    assert float(year) / 1.10 < float(found.amount) < float(year)


def test_customers_with_the_same_days_get_the_same_and_their_own_amount():
    params = ClvParams(BGNBD, AMOUNTS)
    found = expectation_of_days(params, [2, 0, 2], [213, 0, 213], [272, 272, 272], [4470, 0, 0])
    alone = expectation(params, 2, 213 / 7, 272 / 7, 2235.0)
    assert found.amount[0] == pytest.approx(float(alone.amount))
    assert found.purchases[0] == found.purchases[2]
    assert found.amount[1] > 0


def drawn(n, *, seed=7):
    """Customers drawn from a known model: Poisson with Gamma rates, leaving with a coin."""
    random = np.random.default_rng(seed)
    rate, drop = random.gamma(0.8, 1 / 6.0, n), random.beta(0.9, 2.5, n)
    x, tx, age = np.zeros(n), np.zeros(n), random.uniform(20, 60, n)
    for person in range(n):
        at = random.exponential(1 / rate[person])
        while at < age[person]:
            x[person], tx[person] = x[person] + 1, at
            if random.random() < drop[person]:
                break
            at += random.exponential(1 / rate[person])
    return x, tx, age


def test_a_fit_finds_what_the_customers_were_drawn_from():
    x, tx, age = drawn(4_000)
    fit = fit_bgnbd(x, tx, age)
    assert fit.is_sound
    assert fit.params.r == pytest.approx(0.8, rel=0.15)
    assert fit.params.alpha == pytest.approx(6.0, rel=0.2)
    left = fit.params.a / (fit.params.a + fit.params.b)
    assert left == pytest.approx(0.9 / 3.4, rel=0.15)


def test_weights_stand_for_customers():
    x, tx, age = drawn(600)
    tripled = fit_bgnbd(*(np.repeat(each, 3) for each in (x, tx, age)))
    weighted = fit_bgnbd(x, tx, age, np.full(len(x), 3.0))
    assert weighted.log_likelihood == pytest.approx(tripled.log_likelihood, rel=1e-9)
    assert weighted.params.alpha == pytest.approx(tripled.params.alpha, rel=1e-4)


@pytest.mark.parametrize(
    ("x", "tx", "age"),
    [([0, 0, 0], [0, 0, 0], [5, 5, 5]), ([5, 6, 5], [5, 5, 5], [5.1, 5.2, 5.3])],
)
def test_a_fit_that_says_nothing_says_so(x, tx, age):
    assert not fit_bgnbd(x, tx, age).is_sound


def test_too_few_buyers_get_the_published_parameters_on_their_own_scale_of_money():
    few = np.ones(20)
    fit = fit_clv(
        Customers(few, few, 2 * few, few), Amounts(few, 900 * few, few), mean_amount=1000.0
    )
    assert fit.is_default
    assert fit.params.btyd == BGNBD
    assert fit.params.amounts.mean == pytest.approx(1000)
    assert fit.notes == ({"code": "too_few_buyers", "buyers": 20, "repeaters": 20},)


def test_customers_who_are_all_alike_are_refused():
    random = np.random.default_rng(3)
    age = random.uniform(20, 60, 500)
    x, tx = np.zeros(500), np.zeros(500)
    for person in range(500):  # all of them buy at the same rate, and none of them leaves
        at = random.exponential(2.0)
        while at < age[person]:
            x[person], tx[person], at = x[person] + 1, at, at + random.exponential(2.0)
    ones = np.ones(len(x))
    fit = fit_clv(Customers(x, tx, age, ones), Amounts(x, ones, ones), mean_amount=1.0)
    assert fit.params is None
    assert fit.notes[0]["code"] in {"clv_at_bound", "clv_not_converged"}


def test_amounts_that_depend_on_the_count_are_warned_of():
    x, tx, age = drawn(2_000)
    z = 10.0 * x * np.random.default_rng(1).gamma(8, 1 / 8, len(x))
    ones = np.ones(len(x))
    fit = fit_clv(Customers(x, tx, age, ones), Amounts(x, z, ones), mean_amount=10.0)
    assert fit.params is not None
    assert "correlated" in {note["code"] for note in fit.notes}


# --- With the log -------------------------------------------------------------------------------


@needs_the_log
@pytest.mark.parametrize("fit", [fit_bgnbd, fit_mbgnbd])
def test_published_parameters(customers, fit):
    x, tx, age, _ = customers
    (row,) = [row for row in table("btyd_parameters.csv") if fit.__name__ == f"fit_{row['model']}"]
    found = fit(x, tx, age)
    assert found.is_sound
    assert found.params.alpha == pytest.approx(float(row["alpha"]), abs=0.01)
    for name in ("r", "a", "b"):
        assert getattr(found.params, name) == pytest.approx(float(row[name]), abs=0.005)
    if row["log_likelihood"]:
        assert found.log_likelihood == pytest.approx(float(row["log_likelihood"]), abs=0.1)


@needs_the_log
def test_the_compressed_table_gives_the_same_parameters(customers):
    kinds, counts = np.unique(np.column_stack(customers[:3]), axis=0, return_counts=True)
    whole, small = fit_bgnbd(*customers[:3]).params, fit_bgnbd(*kinds.T, counts).params
    for name in ("r", "alpha", "a", "b"):
        assert getattr(small, name) == pytest.approx(getattr(whole, name), abs=1e-3)


@needs_the_log
def test_published_amounts(customers):
    x, _, _, z = customers
    fit = fit_gamma_gamma(x, z)
    (row,) = table("gamma_gamma_parameters.csv")
    assert fit.is_sound
    assert fit.buyer_count == 946
    assert fit.correlation == pytest.approx(0.114, abs=0.001)
    for name in ("p", "q", "v"):
        assert getattr(fit.params, name) == pytest.approx(float(row[name]), abs=0.01)
