"""What may become of a broadcast: drawing, learning from the past, and saying what is not known."""

from __future__ import annotations

import numpy as np
import pytest

from campaigns.rules.forecasts import (
    Cell,
    LeaveRow,
    Option,
    Past,
    Range,
    Terms,
    Trial,
    compared,
    features,
    groups_of,
)
from campaigns.rules.simulation import LEAVE_MEAN, fit_leaves, rate_of, simulate

TERMS = Terms(margin_percent=30, cost_amount=0)


def cell(segment="loyal", *, people=1000, chosen=None, **changes):
    values = {
        "band": "low",
        "is_dormant": False,
        "is_new": False,
        "ad_share": 0.2,
        "sends": 1.0,
        "silence": 0.2,
        "value_amount": 5000 * people,
        "valued": people,
    } | changes
    return Cell(segment, people=people, chosen=people if chosen is None else chosen, **values)


def chosen(simulated):
    return next(one for one in simulated.outlooks if one.option is Option.CHOSEN)


def sends_of_a_tenant(count, truth, *, people=400, seed=1):
    """Runs to some dormant and some lively people, of which leave as many as the truth says."""
    random = np.random.default_rng(seed)
    rows = []
    for run in range(count):
        ad_share, sends = random.random(), int(random.integers(0, 8))
        for is_dormant in (False, True):
            x = features(ad_share, sends, is_dormant, False, 0.0)
            p = 1 / (1 + np.exp(-np.dot(truth, x)))
            rows.append(LeaveRow(run, people // 2, int(random.binomial(people // 2, p)), x))
    return rows


def test_the_truth_is_recovered_from_three_hundred_sends():
    truth = (-5.5, 2.0, 0.2, 0.9, 0.0, 0.0)

    model = fit_leaves(sends_of_a_tenant(300, truth))

    errors = np.sqrt(np.diag(model.covariance))[:4]
    assert np.abs(model.mean[:4] - truth[:4]).max() < 0.25
    assert (np.abs(model.mean[:4] - truth[:4]) < 3 * errors).all()
    assert errors == pytest.approx([0.10, 0.11, 0.02, 0.05], abs=0.06)


def test_without_runs_the_belief_remains():
    assert fit_leaves([]).mean == pytest.approx(LEAVE_MEAN)


def test_runs_without_a_single_leaver_and_runs_where_all_left_can_be_learned_from():
    x = features(0.5, 3, False, False, 0.3)

    nobody = fit_leaves([LeaveRow(1, 100_000, 0, x)])
    all_of_them = fit_leaves([LeaveRow(1, 100_000, 100_000, x)])

    assert np.isfinite(nobody.mean).all()
    assert np.isfinite(all_of_them.mean).all()
    assert nobody.mean @ x < -6
    assert all_of_them.mean @ x > 4


def test_the_same_seed_gives_the_same_intervals():
    first, again, other = (
        chosen(simulate([cell()], Past(), TERMS, seed=seed)).figures for seed in (7, 7, 8)
    )

    assert first == again
    assert first["leaves"] != other["leaves"]


def test_nobody_gives_nothing():
    assert simulate([], Past(), TERMS, seed=1).outlooks == []
    assert simulate([cell(people=0)], Past(), TERMS, seed=1).outlooks == []


def test_reach_is_never_more_than_recipients_and_the_held_out_get_nothing():
    half = Terms(margin_percent=30, cost_amount=0, treated_share=0.5)

    reach = chosen(simulate([cell(people=1000)], Past(), half, seed=1)).figures["reach"]

    assert 400 < reach.low <= reach.mean <= reach.high <= 500


def test_history_of_the_enterprise_moves_every_figure():
    trials = tuple(Trial(300, 1000) for _ in range(40))
    past = Past(
        delivered=tuple(Trial(1000, 2000) for _ in range(40)), clicked=trials, ordered=trials
    )

    figures = chosen(simulate([cell(people=10_000)], past, TERMS, seed=1)).figures

    assert figures["reach"].mean == pytest.approx(5000, rel=0.05)
    assert figures["clicks"].mean == pytest.approx(1500, rel=0.08)
    assert figures["orders"].mean == pytest.approx(1500, rel=0.08)


def test_a_segment_is_shrunk_towards_all_of_them_the_more_the_less_is_known_of_it():
    trials = [Trial(50, 1000)] * 20

    rate = rate_of("clicked", trials, {"new": Trial(2, 4), "loyal": Trial(3000, 6000)})

    assert rate.mean == pytest.approx(0.05)
    assert rate.by_segment["new"] == pytest.approx(0.05, abs=0.01)
    assert rate.by_segment["loyal"] == pytest.approx(0.5, abs=0.02)


def test_runs_that_differ_make_wide_intervals_and_equal_ones_narrow():
    equal = [Trial(50, 1000)] * 20
    different = [Trial(count, 1000) for count in (5, 95)] * 10

    widths = []
    for trials in (equal, different):
        past = Past(clicked=tuple(trials))
        clicks = chosen(simulate([cell(people=10_000)], past, TERMS, seed=1)).figures["clicks"]
        widths.append(clicks.high - clicks.low)

    assert widths[1] > 3 * widths[0]


def test_what_is_bought_anyway_is_no_gain():
    lively = cell(usual_orders=1000.0, spent_amount=1000 * 10_000)
    past = Past(ordered=(Trial(0, 100_000),) * 5, order_amount=10_000)

    outlook = chosen(simulate([lively], past, TERMS, seed=1))

    assert outlook.figures["margin"].mean < 0
    assert outlook.figures["net"].mean < 0


def test_the_best_leave_out_those_who_cost_more_than_they_bring():
    past = Past(
        ordered=(Trial(500, 10_000),) * 30,
        ordered_by={"loyal": Trial(10_000, 100_000), "hibernating": Trial(10, 100_000)},
        order_amount=10_000,
    )
    good = cell("loyal")
    bad = cell("hibernating", is_dormant=True, silence=0.9, sends=6.0, value_amount=50_000_000)

    simulated = simulate([good, bad], past, TERMS, seed=1)

    outlooks = {one.option: one for one in simulated.outlooks}
    assert Option.ALL not in outlooks  # everybody is chosen
    assert outlooks[Option.TOP].people == 1000
    assert outlooks[Option.CHOSEN].losing == 1000
    assert outlooks[Option.CHOSEN].marginal_amount < 0 < outlooks[Option.TOP].marginal_amount
    assert outlooks[Option.TOP].figures["net"].mean > outlooks[Option.CHOSEN].figures["net"].mean
    assert simulated.nets[0] > 0 > simulated.nets[1]


def test_whose_value_is_unknown_is_worth_what_the_others_are():
    known, unknown = cell("loyal"), cell("", value_amount=0, valued=0)

    stakes = [
        chosen(simulate(cells, Past(), TERMS, seed=1)).figures["value_at_stake"].mean
        for cells in ([known], [known, unknown])
    ]

    assert stakes[1] == pytest.approx(2 * stakes[0], rel=0.2)


def test_four_of_five_intervals_hold_what_happens():
    """Of runs that differ from each other as those of the past do."""
    truth, random = np.array(LEAVE_MEAN), np.random.default_rng(5)

    def one_run(run, people=4000):
        x = features(random.random() / 2, float(random.integers(0, 5)), False, False, 0.2)
        leave = 1 / (1 + np.exp(-(truth @ x + random.normal(0, 0.4))))
        click = random.beta(0.06 * 60, 0.94 * 60)
        return x, Trial(int(random.binomial(people, click)), people), random.binomial(people, leave)

    held = {"clicks": 0, "leaves": 0}
    for world in range(40):
        runs = [one_run(run) for run in range(30)]
        past = Past(
            clicked=tuple(clicks for _, clicks, _ in runs),
            left=tuple(LeaveRow(i, 4000, int(left), x) for i, (x, _, left) in enumerate(runs)),
            delivered=(Trial(100_000, 100_000),) * 50,
        )
        x, clicks, left = one_run(99)
        ahead = cell(people=4000, ad_share=x[1], sends=x[2], silence=x[5])
        figures = chosen(simulate([ahead], past, TERMS, seed=world, draws=200)).figures
        held["clicks"] += clicks.happened in figures["clicks"]
        held["leaves"] += left in figures["leaves"]

    assert 26 <= held["clicks"] <= 39
    assert 26 <= held["leaves"] <= 39


def test_groups_keep_the_chosen_with_their_mean_features():
    cells = [cell(chosen=100, ad_share=0.1), cell(band="high", chosen=300, ad_share=0.5)]

    (group,) = groups_of([*cells, cell("new", chosen=0)])

    assert group["people"] == 400
    assert group["ad_share"] == pytest.approx(0.4)


def test_what_happened_is_held_against_the_interval_where_it_could_be_measured():
    outlook = chosen(simulate([cell()], Past(), TERMS, seed=1)).as_json()
    figures = {"options": [outlook]}

    inside = compared(figures, {"reach": 970, "clicks": 1000, "orders": None})

    assert inside["reach"] is True
    assert inside["clicks"] is False
    assert inside["orders"] is None
    assert inside["net"] is None


def test_an_interval_holds_its_ends():
    assert 1.0 in Range(2.0, 1.0, 3.0)
    assert 3.5 not in Range(2.0, 1.0, 3.0)
