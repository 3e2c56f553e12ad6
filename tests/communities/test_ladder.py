"""Whether a tier asks less than the one below it: a pure rule."""

import pytest

from communities.rules.ladder import slips
from scrm.shared.criteria import AllOf, AnyOf, Clause, Criterion, Not, Operator


def bought(op, value, **more):
    return Clause("purchase_count", Operator(op), value, **more)


def found(higher, lower):
    return [(slip.higher.value, slip.lower.value) for slip in slips(higher, lower)]


@pytest.mark.parametrize(
    ("higher", "lower", "is_slip"),
    [
        (("gte", 3), ("gte", 3), False),
        (("gte", 2), ("gte", 3), True),
        (("gt", 2), ("gte", 3), False),
        (("gt", 1), ("gte", 3), True),
        (("gte", 3), ("gt", 3), True),
        (("lte", 30), ("lte", 30), False),
        (("lte", 31), ("lte", 30), True),
        (("lt", 31), ("lte", 30), False),
        (("lte", 30), ("lt", 30), True),
        (("lte", 100), ("gte", 3), False),  # another direction
        (("eq", 1), ("gte", 3), False),
    ],
)
def test_a_threshold_may_not_be_lower_than_the_one_below(higher, lower, is_slip):
    pair = Criterion(bought(*higher)), Criterion(bought(*lower))

    assert found(*pair) == ([(higher[1], lower[1])] if is_slip else [])


def test_only_the_same_question_is_compared():
    higher = Criterion(bought("gte", 1, window_days=30))

    assert found(higher, Criterion(bought("gte", 9, window_days=90))) == []
    assert found(higher, Criterion(bought("gte", 9, of="cats", window_days=30))) == []
    assert found(higher, Criterion(Clause("post_count", Operator.GTE, 9, 30))) == []
    assert found(higher, Criterion(bought("gte", 9, window_days=30))) == [(1, 9)]


def test_the_clauses_of_the_outermost_all_are_compared():
    lower = Criterion(AllOf((bought("gte", 3), Clause("post_count", Operator.GTE, 10))))
    higher = Criterion(AllOf((bought("gte", 5), Clause("post_count", Operator.GTE, 8))))

    assert found(higher, lower) == [(8, 10)]
    assert found(Criterion(AnyOf((bought("gte", 1), bought("gte", 2)))), lower) == []
    assert found(Criterion(Not(bought("gte", 1))), lower) == []
    assert found(Criterion(), lower) == []


def test_of_two_thresholds_on_one_question_the_stricter_counts():
    higher = Criterion(AllOf((bought("gte", 1), bought("gte", 5))))
    lower = Criterion(AllOf((bought("gte", 4), bought("gte", 2))))

    assert found(higher, lower) == []
