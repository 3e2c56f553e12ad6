import pytest

from campaigns.rules.experiments import ExperimentMetric, ExperimentUnit
from campaigns.rules.outcomes import Arm, Question, Unit
from campaigns.rules.statistics import Moments
from campaigns.rules.verdict_words import Subject, sentences_of
from campaigns.rules.verdicts import Code, judge

NAMES = {1: "甲", 2: "乙", 3: "丙"}


def people(number, did, n, left=0):
    return Arm(number, n, n, left, Moments(n, did, did))


def asked(*numbers, is_final=True, unit=ExperimentUnit.MEMBER, metric=ExperimentMetric.ORDERED):
    return Question(unit, metric, dict.fromkeys(numbers, 1 / len(numbers)), is_final)


def said(verdict, metric=ExperimentMetric.ORDERED, unit=ExperimentUnit.MEMBER):
    return sentences_of(verdict.as_json(), Subject(metric, unit, NAMES, "12-01"))


def test_the_first_arm_wins_where_every_other_is_worse():
    verdict = judge(asked(1, 2), [people(1, 260, 2000), people(2, 200, 2000)])

    assert (verdict.code, verdict.winner) == (Code.BETTER, 1)
    assert "低 3.0 个百分点" in said(verdict)[1]


def test_of_three_arms_one_that_was_lucky_once_does_not_win():
    """p = 0.036 alone, but one of two comparisons."""
    arms = [people(1, 100, 1000), people(2, 130, 1000), people(3, 104, 1000)]
    verdict = judge(asked(1, 2, 3), arms)

    lucky = verdict.comparisons[0]
    assert lucky.p == pytest.approx(0.035488, abs=1e-6)
    assert lucky.p_adjusted == pytest.approx(2 * 0.035488, abs=1e-5)
    assert (verdict.code, verdict.winner) == (Code.NO_DIFFERENCE, None)
    assert any("Holm" in sentence for sentence in said(verdict))


def test_the_best_of_three_wins():
    arms = [people(1, 200, 2000), people(2, 280, 2000), people(3, 330, 2000)]

    assert judge(asked(1, 2, 3), arms).winner == 3


def test_few_people_are_compared_exactly():
    verdict = judge(asked(1, 2), [people(1, 0, 20), people(2, 4, 20)])

    assert verdict.comparisons[0].method == "fisher"
    assert verdict.code == Code.NO_DIFFERENCE


def test_a_first_arm_that_wins_by_driving_people_away_does_not_win():
    arms = [people(1, 260, 2000, left=90), people(2, 200, 2000, left=10)]

    assert judge(asked(1, 2), arms).code == Code.MORE_LEAVES


def test_the_sizes_come_before_everything_else():
    verdict = judge(asked(1, 2), [people(1, 0, 815_482), people(2, 400_000, 821_588)])

    assert (verdict.code, verdict.comparisons) == (Code.UNEVEN, [])
    assert said(verdict)[0].startswith("不能下结论：各组的大小（「甲」 815482、「乙」 821588）")


def test_early_on_a_handful_says_nothing():
    verdict = judge(asked(1, 2, is_final=False), [people(1, 0, 40), people(2, 40, 40)])

    assert (verdict.code, verdict.comparisons) == (Code.EARLY, [])


def test_early_on_leaves_count_too():
    arms = [people(1, 100, 1000), people(2, 400, 1000, left=200)]
    verdict = judge(asked(1, 2, is_final=False), arms)

    assert (verdict.code, verdict.winner) == (Code.EARLY, None)
    assert verdict.leaves[0].low > 0


def test_two_chats_per_arm_have_an_interval_without_ends():
    def chats(number, *rates):
        return Arm.of_units(number, [Unit(10, rate, 0.0, 0) for rate in rates], reached=20)

    question = asked(1, 2, unit=ExperimentUnit.CHAT)
    verdict = judge(question, [chats(1, 0.1, 0.2), chats(2, 0.6, 0.7)])

    assert verdict.code == Code.NO_DIFFERENCE
    compared = verdict.as_json()["comparisons"][0]
    assert (compared["low"], compared["high"], compared["method"]) == (None, None, "permutation")
    assert "还定不下来" in said(verdict, unit=ExperimentUnit.CHAT)[1]


def test_nobody_at_all_is_too_few():
    verdict = judge(asked(1, 2), [people(1, 1, 1), people(2, 0, 1)])

    assert verdict.code == Code.TOO_FEW
    assert said(verdict) == ["不能下结论：有一组不到两个，比较不出什么。"]


def test_money_is_said_in_yuan():
    arms = [
        Arm(1, 500, 500, 0, Moments(500, 500_000.0, 600_000_000.0)),
        Arm(2, 500, 500, 0, Moments(500, 600_000.0, 900_000_000.0)),
    ]
    verdict = judge(asked(1, 2, metric=ExperimentMetric.SPENT), arms)

    assert verdict.winner == 2
    words = said(verdict, ExperimentMetric.SPENT)[1]
    assert "「乙」的人均净消费是 12.00 元，「甲」是 10.00 元：高 2.00 元" in words
