"""Figures of how right scores were, on numbers small enough to count by hand."""

import numpy as np
import pytest

from members.rules.score_checks import at_budget, auc, bins, ece, figures_of, warning_figures

P = np.array([0.95, 0.85, 0.75, 0.35, 0.25, 0.15, 0.15, 0.05, 0.05, 0.05])
SILENT = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0], bool)
DAYS = np.array([10, 2, 12, 9, 1, 3, 1, 5, 1, 1])


def test_the_area_is_the_share_of_pairs_in_the_right_order():
    assert auc(P, SILENT) == pytest.approx(20 / 21)
    assert auc(np.array([1, 1, 1]), np.array([1, 0, 0], bool)) == 0.5
    assert auc(P, np.zeros(10, bool)) is None
    assert auc(P[:0], SILENT[:0]) is None


def test_the_most_at_risk_are_counted_against_chance():
    assert at_budget(P, SILENT, 0.2) == {
        "n": 2,
        "hits": 2,
        "precision": 1,
        "recall": pytest.approx(2 / 3, abs=1e-6),
        "lift": pytest.approx(10 / 3, abs=1e-6),
    }


def test_a_tie_at_the_limit_counts_by_its_average():
    tied = at_budget(np.array([3, 3, 3, 3, 1]), np.array([1, 0, 0, 1, 0], bool), 0.4)

    assert (tied["n"], tied["hits"]) == (2, 1)


def test_calibration_is_the_distance_of_what_was_said_from_what_came():
    found = bins(np.array([0.05, 0.05, 0.95, 1.0]), np.array([0, 1, 1, 1], bool))

    assert [each["n"] for each in found] == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (found[0]["mean_p"], found[0]["rate"]) == (0.05, 0.5)
    assert (found[1]["mean_p"], found[1]["rate"]) == (None, None)
    assert ece(found) == pytest.approx((2 * 0.45 + 2 * 0.025) / 4)


def test_figures_of_a_cut_stand_beside_those_of_the_silence_rule():
    figures = figures_of(P, DAYS, SILENT)

    assert figures["base_rate"] == 0.3
    assert figures["at_20"]["hits"] == 2
    assert figures["silence_at_20"]["hits"] == 1
    assert figures["notice_days"] == {"median": (28 - 10 + 28 - 2) / 2, "n": 2}


@pytest.mark.parametrize("size", [0, 1, 3])
def test_a_tiny_community_has_figures_without_nonsense(size):
    figures = figures_of(P[:size], DAYS[:size], np.zeros(size, bool))

    assert figures["auc"] is None
    assert figures["at_10"]["recall"] is None
    assert figures["at_10"]["lift"] is None
    assert figures["notice_days"] == {"median": None, "n": 0}
    assert (figures["brier"] is None) is (size == 0)


def test_warnings_are_judged_by_when_the_silence_would_be_declared():
    ends = np.array([[1, 100, 40], [2, 100, 200], [3, 100, 200], [4, 100, 30], [6, 110, 99]])
    flagged = np.array([[1, 105], [1, 112], [2, 115], [3, 90], [5, 100], [4, 60]])

    figures = warning_figures(flagged, ends, runs=(60, 116), until=161)

    # 1 was first named 23 days before its declaration, 3 at 38; 2 a day too late, 4 much too early
    assert (figures["silences"], figures["caught"], figures["notice_days"]) == (4, 0.5, 30.5)
    assert (figures["long_silences"], figures["long_caught"]) == (2, 0.5)
    assert figures["on_or_before"] == 0.25
    # right: the first about 1 (declared on 128) and the one about 3; too early to tell: 112, 115
    assert (figures["warnings"], figures["precision"]) == (4, 0.5)


def test_without_warnings_or_silences_there_is_nothing_to_say():
    figures = warning_figures(
        np.empty((0, 2), int), np.empty((0, 3), int), runs=(0, 100), until=100
    )

    assert figures["caught"] is figures["precision"] is figures["notice_days"] is None
