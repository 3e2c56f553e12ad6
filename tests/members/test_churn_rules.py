import csv
import gzip
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.rules.churn import (
    REASON_OF_TERM,
    SHIPPED_MODEL,
    History,
    ReasonCode,
    RiskBand,
    band_of,
    contributions,
    features_of,
    logistic,
    reason_in_words,
    score,
)

CUTOFF = date(2026, 6, 1)
CHAT = Path(__file__).resolve().parents[3] / "shared" / "data" / "chat_user_day.csv.gz"


def history(*, first=400, last=3, **changes):
    """A regular: about one active day in three for over a year, last seen three days ago."""
    usual = History(
        first_day=CUTOFF - timedelta(days=first),
        last_day=CUTOFF - timedelta(days=last),
        active_days=120,
        total=900,
        active_days_14=5,
        active_days_28=10,
        active_days_112=40,
        total_28=70,
        total_earlier=75,
        threads_28=20,
    )
    return usual._replace(**changes)


def test_the_average_member_scores_the_intercept():
    means = [term.mean for term in SHIPPED_MODEL.terms]

    assert contributions(SHIPPED_MODEL, means) == [0] * 10
    assert logistic(SHIPPED_MODEL.intercept) == pytest.approx(0.109, abs=0.001)


def test_the_score_is_the_published_sum():
    """Computed by hand from the published coefficients, means and deviations."""
    one = history()

    features = features_of(one, CUTOFF)

    assert features == pytest.approx(
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
    assert score(one, CUTOFF).probability == pytest.approx(logistic(log_odds), abs=1e-4)


def test_a_regular_is_safe_and_a_newcomer_who_went_quiet_is_not():
    regular = score(history(), CUTOFF)
    quiet = score(
        History(CUTOFF - timedelta(days=30), CUTOFF - timedelta(days=12), 2, 3, 1, 2, 2, 3, 0, 2),
        CUTOFF,
    )

    assert regular.band == RiskBand.LOW
    assert quiet.band == RiskBand.HIGH
    assert [reason["code"] for reason in quiet.reasons] == [
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


def test_more_silence_is_more_risk_and_more_of_everything_good_is_less():
    usual = score(history(), CUTOFF).probability

    assert score(history(last=13), CUTOFF).probability > usual
    assert score(history(active_days=200), CUTOFF).probability < usual
    assert score(history(threads_28=60), CUTOFF).probability < usual
    assert score(history(active_days_112=80), CUTOFF).probability < usual


def test_reasons_carry_the_numbers_and_speak():
    faded = score(
        history(last=9, active_days_14=1, active_days_28=3, active_days_112=9, threads_28=2), CUTOFF
    )

    words = [reason_in_words(reason) for reason in faded.reasons]

    assert words == [
        "已沉默 9 天，平时每 3.3 天活跃一次",
        "近 28 天只参与 2 个话题",
        "近 112 天只活跃 9 天",
    ]
    weights = [reason["weight"] for reason in faded.reasons]
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

    assert said in [reason_in_words(reason) for reason in score(rare, CUTOFF).reasons]


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
    result = score(
        History(
            CUTOFF - timedelta(days=last + longer),
            CUTOFF - timedelta(days=last),
            days,
            total,
            recent,
            recent,
            season,
            total,
            0,
            threads,
        ),
        CUTOFF,
    )

    assert 0 <= result.probability <= 1
    assert len(result.reasons) <= 3
    assert all(reason_in_words(reason) for reason in result.reasons)


# --- On a real community --------------------------------------------------------------------------


def area_under_curve(pairs):
    """The chance that a member who fell silent was ranked above one who did not."""
    pairs = sorted(pairs)
    positives = sum(silent for _p, silent in pairs)
    ranks, place = 0.0, 0
    while place < len(pairs):
        end = place
        while end < len(pairs) and pairs[end][0] == pairs[place][0]:
            end += 1
        ranks += sum(silent for _p, silent in pairs[place:end]) * (place + end + 1) / 2
        place = end
    negatives = len(pairs) - positives
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def history_before(days, cutoff, day_of):
    days = [day for day in days if day[0] < cutoff]
    if len(days) < 2 or cutoff - days[-1][0] > 14:
        return None

    def since(window):
        return [day for day in days if day[0] >= cutoff - window]

    last28, last56 = since(28), since(56)
    return History(
        day_of(days[0][0]),
        day_of(days[-1][0]),
        len(days),
        sum(messages for _day, messages, _topics in days),
        len(since(14)),
        len(last28),
        len(since(112)),
        sum(messages for _day, messages, _topics in last28),
        sum(messages for _day, messages, _topics in last56)
        - sum(messages for _day, messages, _topics in last28),
        sum(topics for _day, _messages, topics in last28),
    )


@pytest.mark.skipif(not CHAT.exists(), reason="the shared data are not here")
def test_the_shipped_model_ranks_a_real_community_far_better_than_silence_does():
    days_of = defaultdict(list)
    with gzip.open(CHAT, "rt") as file:
        for row in csv.DictReader(file):
            days_of[row["user"]].append((int(row["day"]), int(row["msgs"]), int(row["topics"])))
    end = max(days[-1][0] for days in days_of.values())

    def day_of(number):
        return CUTOFF + timedelta(days=number - end)

    scored, by_silence = [], []
    for step in range(20):
        cutoff = end - 28 * (step + 1)
        for days in days_of.values():
            known = history_before(days, cutoff, day_of)
            if known is None:
                continue
            silent = not any(cutoff <= day < cutoff + 28 for day, _m, _t in days)
            scored.append((score(known, day_of(cutoff)).probability, silent))
            by_silence.append(((day_of(cutoff) - known.last_day).days, silent))

    assert area_under_curve(scored) >= 0.84
    assert area_under_curve(scored) >= area_under_curve(by_silence) + 0.10
    assert sum((p - silent) ** 2 for p, silent in scored) / len(scored) <= 0.145
