"""Published and independently computed values, to the digits in which they are known."""

import random
from itertools import accumulate
from math import inf, sqrt

import numpy as np
import pytest

from campaigns.errors import BadEffect
from campaigns.rules.distributions import (
    SRM_ALPHA,
    fisher,
    permutation,
    probability_better,
    relative_delta,
    srm,
    switchback,
    welch,
)
from campaigns.rules.sizes import size_needed
from campaigns.rules.statistics import (
    Moments,
    Sample,
    cuped,
    holm,
    newcombe,
    relative_error,
    sample_size,
    sample_size_of_mean,
    sequential,
    theta_of,
    two_proportions,
    wald,
    wilson,
)

SIX, FIVE = 1e-6, 1e-5


@pytest.mark.parametrize(
    ("counts", "z", "p", "scores", "normal", "exact", "better"),
    [
        (
            (100, 1000, 130, 1000),
            2.102741,
            0.035488,
            (0.002002, 0.058070),
            (0.002068, 0.057932),
            0.041905,
            0.982165,
        ),
        (
            (200, 2000, 260, 2000),
            2.973724,
            0.002942,
            (0.010231, 0.049806),
            (0.010249, 0.049751),
            0.003419,
            0.998531,
        ),
    ],
)
def test_two_shares_are_compared_as_statsmodels_and_scipy_do(
    counts, z, p, scores, normal, exact, better
):
    test, interval, wider = two_proportions(*counts), newcombe(*counts), wald(*counts)

    assert (test.statistic, test.p) == (pytest.approx(z, abs=SIX), pytest.approx(p, abs=SIX))
    assert (interval.low, interval.high) == pytest.approx(scores, abs=SIX)
    assert (wider.low, wider.high) == pytest.approx(normal, abs=SIX)
    assert fisher(*counts) == pytest.approx(exact, abs=SIX)
    assert probability_better(*counts) == pytest.approx(better, abs=FIVE)


def test_the_example_of_statsmodels():
    assert two_proportions(5, 83, 12, 99).p == pytest.approx(0.159, abs=5e-4)


def test_the_score_interval_of_one_share():
    interval = wilson(130, 1000)

    assert (interval.low, interval.high) == pytest.approx((0.110564, 0.152268), abs=SIX)
    assert (wilson(0, 50).low, wilson(50, 50).high) == (0, 1)
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)


def test_a_fisher_that_scipy_documents():
    assert fisher(8, 10, 1, 6) == pytest.approx(0.034965, abs=SIX)
    assert fisher(0, 10, 0, 10) == 1


def test_where_nobody_did_it_there_is_no_difference():
    assert two_proportions(0, 10, 0, 20).p == 1
    assert probability_better(0, 10, 0, 10) == pytest.approx(0.5)
    assert probability_better(0, 500_000, 500_000, 500_000) == pytest.approx(1)


def test_how_many_are_needed():
    assert sample_size(0.2, 0.05) == 1030
    assert sample_size_of_mean(10, 1) == 1570
    with pytest.raises(ValueError, match="between 0 and 1"):
        sample_size(0.98, 0.05)


@pytest.mark.parametrize(
    "question",
    [
        {"effect": 0.1},
        {"baseline": 0.2, "deviation": 1, "effect": 0.1},
        {"baseline": 0.2, "effect": 0},
        {"baseline": 0.9, "effect": 0.2},
        {"baseline": 0.2, "effect": 1e-300},
        {"baseline": 0.2, "effect": inf},
        {"deviation": 1e300, "effect": 1e-300},
    ],
)
def test_an_effect_that_nobody_could_see_is_refused(question):
    with pytest.raises(BadEffect):
        size_needed(**question)


def test_two_means_are_compared_as_growthbook_does():
    a, b = Sample(0.41, 3.9**2, 3407), Sample(0.70, 6.2**2, 3461)
    absolute, relative = welch(a, b), relative_delta(a, b)

    assert absolute.estimate == pytest.approx(0.29, abs=FIVE)
    assert (absolute.interval.low, absolute.interval.high) == pytest.approx(
        (0.04538, 0.53462), abs=FIVE
    )
    assert absolute.p == pytest.approx(0.02016, abs=FIVE)
    assert relative.estimate == pytest.approx(0.70732, abs=FIVE)
    assert (relative.interval.low, relative.interval.high) == pytest.approx(
        (-0.03526, 1.44989), abs=FIVE
    )
    assert relative.p == pytest.approx(0.06191, abs=FIVE)


def test_the_sequence_is_as_wide_as_growthbooks():
    pa, pb = 1396 / 3000, 2422 / 3461
    a, b = Sample(pa, pa * (1 - pa), 3000), Sample(pb, pb * (1 - pb), 3461)
    estimate, error = (pb - pa) / pa, relative_error(a, b)
    interval = sequential(estimate, error, 3000 + 3461)

    assert estimate == pytest.approx(0.50386, abs=FIVE)
    assert error == pytest.approx(0.03386, abs=FIVE)
    assert (interval.low, interval.high) == pytest.approx((0.40098, 0.60675), abs=FIVE)


def test_arms_of_the_wrong_size_are_noticed():
    by_chance, for_a_reason = srm([5000, 5200], [1, 1]), srm([821_588, 815_482], [1, 1])

    assert by_chance == pytest.approx(0.0477, abs=5e-5)
    assert for_a_reason == pytest.approx(1.8e-6, abs=5e-8)
    assert for_a_reason < SRM_ALPHA < by_chance
    assert srm([100, 900], [0.1, 0.9]) == 1


def test_several_comparisons_err_together_as_often_as_one():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1, 1]
    assert holm([]) == []


def test_what_was_so_before_is_taken_out():
    """y is x with a little noise: nearly all of the variance goes, and the means stay fair."""
    random.seed(3)
    arms = []
    for shift in (0, 0.5):
        x = [random.gauss(10, 3) for _ in range(400)]
        y = [value + shift + random.gauss(0, 0.3) for value in x]
        pairs = list(zip(x, y, strict=True))
        arms.append(
            Moments(
                400,
                sum(y),
                sum(b * b for b in y),
                sum(x),
                sum(a * a for a in x),
                sum(a * b for a, b in pairs),
            )
        )
    raw, adjusted = [arm.sample for arm in arms], cuped(arms)

    assert theta_of(arms)[0] == pytest.approx(1, abs=0.02)
    assert all(
        after.variance < before.variance / 50 for before, after in zip(raw, adjusted, strict=True)
    )
    assert adjusted[1].mean - adjusted[0].mean == pytest.approx(0.5, abs=0.05)
    assert cuped([Moments(3, 3, 5), Moments(3, 3, 5)])[0] == Sample(1, 1, 3)


def test_few_chats_are_compared_by_drawing_them_anew():
    found = permutation([0.10, 0.12, 0.11, 0.13], [0.20, 0.22, 0.18, 0.25])

    assert found.estimate == pytest.approx(0.0975)
    assert found.p == pytest.approx(2 / 70)
    assert found.interval.low > 0
    two = permutation([0.1, 0.2], [0.3, 0.4])
    assert (two.interval.low, two.interval.high) == (-inf, inf)


def test_days_are_drawn_anew_within_their_weekday():
    """A strong rhythm of the week does not hide a small difference."""
    random.seed(5)
    weekdays = [day % 7 for day in range(28)]
    is_b = [(day // 7 + day % 7) % 2 == 1 for day in range(28)]
    values = [
        weekday / 10 + 0.02 * b + random.gauss(0, 0.005)
        for weekday, b in zip(weekdays, is_b, strict=True)
    ]
    found = switchback(values, is_b, weekdays)

    assert found.p < 0.001
    assert 0.01 < found.interval.low < 0.02 < found.interval.high < 0.03


def test_false_alarms_are_as_rare_as_they_are_said_to_be():
    """No difference, 10 % in both arms, 200 per arm and day, looked at on 14 days."""
    rng = np.random.default_rng(1)
    tests, days, per_day = 3000, 14, 200
    seen = rng.binomial(per_day, 0.1, size=(tests, 2, days)).cumsum(axis=2)
    n = list(accumulate([per_day] * days))
    peeking = fixed = sequence = 0
    for a, b in seen.tolist():
        looks = [(two_proportions(a[d], n[d], b[d], n[d]).p < 0.05) for d in range(days)]
        peeking += any(looks)
        fixed += looks[-1]
        sequence += any(_is_out(a[d], b[d], n[d]) for d in range(days))

    assert 0.19 < peeking / tests < 0.245
    assert fixed / tests < 0.06
    assert sequence / tests < 0.06


def _is_out(a, b, n):
    pa, pb = a / n, b / n
    error = sqrt((pa * (1 - pa) + pb * (1 - pb)) / n)
    interval = sequential(pb - pa, error, 2 * n)
    return not interval.low <= 0 <= interval.high


def test_whole_chats_give_false_alarms_only_when_their_members_are_counted_one_by_one():
    """20 chats of 100 in which members are alike (ICC 0.05), and no difference."""
    rng = np.random.default_rng(2)
    tests, chats, members = 3000, 20, 100
    spread = 0.1 * 0.9 * 0.05
    a, b = _beta(0.1, spread)
    rates = rng.beta(a, b, size=(tests, chats))
    counts = rng.binomial(members, rates)
    one_by_one = by_chat = 0
    for row in counts.tolist():
        left, right = row[: chats // 2], row[chats // 2 :]
        whole = chats // 2 * members
        one_by_one += two_proportions(sum(left), whole, sum(right), whole).p < 0.05
        by_chat += _welch_of(left, right).p < 0.05

    assert 0.39 < one_by_one / tests < 0.46
    assert 0.04 < by_chat / tests < 0.065


def _beta(mean, variance):
    size = mean * (1 - mean) / variance - 1
    return mean * size, (1 - mean) * size


def _welch_of(left, right):
    samples = [
        Sample(float(np.mean(values)), float(np.var(values, ddof=1)), len(values))
        for values in (left, right)
    ]
    return welch(*samples)
