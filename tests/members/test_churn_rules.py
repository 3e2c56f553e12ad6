"""The arithmetic of churn: features, the weighed sum, bands, reasons, BG/NBD over weeks."""

import json
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.rules.btyd import BtydParams
from members.rules.churn import (
    REASON_OF_TERM,
    SHIPPED_MODEL,
    ReasonCode,
    band_of,
    churn_model,
    reason_in_words,
)
from members.rules.churn_scoring import (
    HISTORY,
    bands,
    contributions,
    date_of,
    features,
    logistic,
    number_of,
    probabilities,
    reasons,
    recency_frequency,
    scored_lines,
    weekly_probabilities,
)

CUTOFF = date(2026, 6, 1)
CUT = number_of(CUTOFF)
USUAL = {
    "active_days": 120,
    "total": 900,
    "active_days_14": 5,
    "active_days_28": 10,
    "active_days_112": 40,
    "total_28": 70,
    "total_earlier": 75,
    "threads_28": 20,
    "weeks": 0b1011,
}


def history(*, first=400, last=3, **changes):
    """A regular: about one active day in three for over a year, last seen three days ago."""
    one = np.zeros(1, HISTORY)
    for name, value in {**USUAL, **changes}.items():
        one[name] = value
    one["first_day"], one["last_day"] = CUT - first, CUT - last
    return one


def newcomer():
    return history(
        first=30,
        last=12,
        active_days=2,
        total=3,
        active_days_14=1,
        active_days_28=2,
        active_days_112=2,
        total_28=3,
        total_earlier=0,
        threads_28=2,
    )


def probability_of(one):
    (probability,) = probabilities(SHIPPED_MODEL, features(one, CUT))
    return probability


def reasons_of(one):
    (text,) = reasons(SHIPPED_MODEL, one, features(one, CUT), CUT)
    return json.loads(text)


def test_the_average_member_scores_the_intercept():
    means = np.array([[term.mean for term in SHIPPED_MODEL.terms]])

    assert not contributions(SHIPPED_MODEL, means).any()
    assert logistic(SHIPPED_MODEL.intercept) == pytest.approx(0.109, abs=0.001)


def test_the_score_is_the_published_sum():
    """Computed by hand from the published coefficients, means and deviations."""
    one = history()

    assert features(one, CUT)[0] == pytest.approx(
        (1.1632, 4.7958, 6.8035, 5.9940, 5, 10, 40, -0.0680, 1.4670, 3.0445), abs=1e-3
    )
    log_odds = (
        -2.10
        + 0.60 * (1.1632 - 1.24) / 0.897
        - 0.99 * (4.7958 - 3.863) / 1.791
        + 0.24 * (6.8035 - 5.188) / 2.282
        + 0.07 * (5.9940 - 5.822) / 1.525
        - 0.46 * (5 - 4.198) / 3.744
        + 0.21 * (10 - 7.64) / 7.384
        - 0.64 * (40 - 25.569) / 28.998
        + 0.13 * (-0.0680 - 0.701) / 1.326
        - 0.04 * (1.4670 - 2.23) / 1.185
        - 0.75 * (3.0445 - 2.123) / 1.162
    )
    assert probability_of(one) == pytest.approx(float(logistic(log_odds)), abs=1e-4)


def test_a_regular_is_safe_and_a_newcomer_who_went_quiet_is_not():
    assert band_of(probability_of(history())) == "low"
    assert band_of(probability_of(newcomer())) == "high"
    assert [reason["code"] for reason in reasons_of(newcomer())] == [
        "short_history",
        "silence",
        "few_topics",
    ]


@pytest.mark.parametrize(
    ("probability", "band"),
    [
        (0, "low"),
        (0.3299, "low"),
        (0.33, "medium"),
        (0.66, "medium"),
        (0.6601, "high"),
        (1, "high"),
    ],
)
def test_bands_have_their_borders(probability, band):
    assert band_of(probability) == band
    assert bands(np.array([probability])) == [band]


def test_more_silence_is_more_risk_and_more_of_everything_good_is_less():
    usual = probability_of(history())

    assert probability_of(history(last=13)) > usual
    assert probability_of(history(active_days=200)) < usual
    assert probability_of(history(threads_28=60)) < usual
    assert probability_of(history(active_days_112=80)) < usual


def test_reasons_carry_the_numbers_and_speak():
    faded = reasons_of(
        history(last=9, active_days_14=1, active_days_28=3, active_days_112=9, threads_28=2)
    )

    assert [reason_in_words(reason) for reason in faded] == [
        "已沉默 9 天，平时每 3.3 天活跃一次",
        "近 28 天只参与 2 个话题",
        "近 112 天只活跃 9 天",
    ]
    weights = [reason["weight"] for reason in faded]
    assert weights == sorted(weights, reverse=True)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (13 + 14 * 7, "已沉默 13 天，平时每 12.2 天活跃一次"),
        (13 + 60 * 8, "已沉默 13 天"),
    ],
)
def test_a_rhythm_slower_than_the_silence_is_not_held_against_anybody(first, said):
    rare = history(first=first, last=13, active_days=9, active_days_14=0, active_days_28=1)

    assert said in [reason_in_words(reason) for reason in reasons_of(rare)]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ({"code": "silence", "days": 9, "usual_gap": 2.5}, "已沉默 9 天，平时每 2.5 天活跃一次"),
        ({"code": "silence", "days": 9}, "已沉默 9 天"),
        ({"code": "recent_days", "days": 1}, "近 14 天只活跃 1 天"),
        ({"code": "recent_days", "days": 0}, "近 14 天没有活跃"),
        ({"code": "few_topics", "topics": 0}, "近 28 天没有参与话题"),
        ({"code": "burst", "before": 0, "now": 9}, "近 28 天互动突增（0 → 9 次），可能只是一时"),
        ({"code": "from-the-future", "x": 1}, "from-the-future"),
        ({"code": "silence"}, "silence"),
        ({}, "None"),
    ],
)
def test_a_reason_of_any_version_can_be_shown(reason, words):
    assert reason_in_words(reason) == words


def test_every_term_belongs_to_a_reason():
    assert len(REASON_OF_TERM) == len(SHIPPED_MODEL.terms)
    assert set(REASON_OF_TERM) == set(ReasonCode)


def test_a_model_is_the_same_after_a_way_through_json():
    kept = json.loads(json.dumps(SHIPPED_MODEL.parameters()))

    assert churn_model(SHIPPED_MODEL.version, kept) == SHIPPED_MODEL


def test_a_slice_gives_what_each_of_its_members_gives_alone():
    several = np.concatenate([history(member=7), newcomer(), history(last=9, threads_28=0)])

    together = list(scored_lines(several, SHIPPED_MODEL, None, CUTOFF))

    alone = [
        line for one in several for line in scored_lines(one[None], SHIPPED_MODEL, None, CUTOFF)
    ]
    assert [line.split("\t")[2:] for line in together] == [line.split("\t")[2:] for line in alone]
    assert together[0].startswith("7\t0.")
    assert together[0].endswith("\t2026-05-29\n")
    assert list(scored_lines(several[:0], SHIPPED_MODEL, None, CUTOFF)) == []


@given(
    st.integers(1, 4000),
    st.integers(0, 4000),
    st.integers(2, 5000),
    st.integers(2, 10**9),
    st.integers(0, 14),
    st.integers(0, 112),
    st.integers(0, 10**9),
)
def test_any_history_gives_a_probability(last, longer, days, total, recent, season, threads):
    one = history(
        first=last + longer,
        last=last,
        active_days=days,
        total=total,
        active_days_14=recent,
        active_days_28=recent,
        active_days_112=season,
        total_28=total,
        total_earlier=0,
        threads_28=threads,
    )

    (line,) = scored_lines(one, SHIPPED_MODEL, None, CUTOFF)

    _member, probability, _band, said, last_day = line.rstrip().split("\t")
    told = json.loads(said)
    assert 0 <= float(probability) <= 1
    assert last_day == str(date_of(CUT - last))
    assert len(told) <= 3
    assert all(reason_in_words(reason) for reason in told)


# --- BG/NBD over active weeks ---------------------------------------------------------------------

PARAMS = BtydParams(0.9, 2.7, 0.17, 0.8)


def test_weeks_become_repeats_recency_and_age():
    weeks = np.array([0b1, 0b1011, 1 << 25, 0b11 << 24])

    x, tx, age = recency_frequency(weeks)

    assert x.tolist() == [0, 2, 0, 1]
    assert tx.tolist() == [0, 3, 0, 1]
    assert age.tolist() == [1, 4, 26, 26]


def test_who_was_not_seen_in_all_those_weeks_counts_as_silent():
    fresh, faded, gone = weekly_probabilities(PARAMS, np.array([0b1111, 0b1111 << 10, 0]))

    assert fresh < faded < gone == 1


@given(st.lists(st.integers(0, 2**26 - 1), min_size=1, max_size=20))
def test_any_weeks_give_a_probability(weeks):
    found = weekly_probabilities(PARAMS, np.array(weeks, dtype=np.int32))

    assert ((found >= 0) & (found <= 1)).all()
