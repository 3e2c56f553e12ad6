"""When a tier is earned, kept and lost: pure rules."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.rules.tiering import Change, Standing, Verdict, decide, keep_criterion
from scrm.shared.criteria import AllOf, AnyOf, Clause, Criterion, Not, Operator

TODAY = date(2026, 3, 20)
NUMBERS = [Operator.GTE, Operator.GT, Operator.LTE, Operator.LT, Operator.EQ]
FACTS = ["purchase_count", "post_count", "days_since_purchase"]

factors = st.decimals("0.01", "1", places=2)


def meets(op, actual, value):
    return {
        Operator.GTE: actual >= value,
        Operator.GT: actual > value,
        Operator.LTE: actual <= value,
        Operator.LT: actual < value,
        Operator.EQ: actual == value,
        Operator.IS: actual == value,
        Operator.IS_NOT: actual != value,
    }[op]


def evaluate(node, facts):
    match node:
        case None:
            return True
        case Clause():
            actual = facts[node.metric]
            return actual is not None and meets(node.op, actual, node.value)
        case Not(part):
            return not evaluate(part, facts)
        case AllOf(parts):
            return all(evaluate(part, facts) for part in parts)
        case AnyOf(parts):
            return any(evaluate(part, facts) for part in parts)


def eased(op, value, factor="0.9", *, metric="purchase_count", negated=False):
    clause = Clause(metric, op, value)
    root = keep_criterion(Criterion(Not(clause) if negated else clause), Decimal(factor)).root
    return root.part.value if negated else root.value


@pytest.mark.parametrize(
    ("op", "value", "factor", "negated", "kept"),
    [
        (Operator.GTE, 10, "0.9", False, 9),
        (Operator.GTE, 3, "0.9", False, 3),  # 2 is below 2.7
        (Operator.GTE, 100_000, "0.85", False, 85_000),
        (Operator.GT, 10, "0.9", False, 9),
        (Operator.GT, 3, "0.9", False, 2),  # 3 is above 2.7
        (Operator.LTE, 30, "0.9", False, 33),
        (Operator.LTE, 30, "0.8", False, 37),
        (Operator.LT, 30, "0.8", False, 38),
        (Operator.EQ, 10, "0.9", False, 10),
        (Operator.GTE, 30, "0.8", True, 38),  # not "30 or more": fewer than 30
        (Operator.GT, 30, "0.8", True, 37),
        (Operator.LTE, 10, "0.9", True, 9),
        (Operator.LT, 10, "0.9", True, 9),
        (Operator.GTE, 0, "0.5", False, 0),
        (Operator.LTE, 0, "0.5", False, 0),
        (Operator.GTE, 7, "1", False, 7),
    ],
)
def test_a_threshold_is_eased_by_the_factor_towards_the_member(op, value, factor, negated, kept):
    assert eased(op, value, factor, negated=negated) == kept


def test_a_reference_is_not_eased():
    inside = Criterion(Clause("in_community", Operator.IS, "cats"))

    assert keep_criterion(inside, Decimal("0.5")) == inside
    assert keep_criterion(Criterion(), Decimal("0.5")) == Criterion()


def test_an_eased_number_stays_one_that_may_be_written():
    assert eased(Operator.LTE, 36_000, "0.01", metric="days_since_purchase") == 36_500
    assert eased(Operator.LTE, 10**15, "0.01") == 10**15


@given(
    st.sampled_from([Operator.GTE, Operator.GT, Operator.LTE, Operator.LT]),
    st.integers(0, 10_000),
    st.integers(0, 12_000),
    factors,
    st.booleans(),
)
def test_exactly_those_below_the_factor_times_the_threshold_do_not_keep(
    op, value, actual, factor, negated
):
    kept = eased(op, value, factor, negated=negated)

    wants_much = (op in {Operator.GTE, Operator.GT}) is not negated
    line = value * Fraction(factor) if wants_much else value / Fraction(factor)
    assert meets(op, actual, kept) == meets(op, actual, line)


leaves = st.builds(
    Clause, st.sampled_from(FACTS), st.sampled_from(NUMBERS), st.integers(0, 12)
) | st.builds(
    Clause,
    st.just("in_community"),
    st.sampled_from([Operator.IS, Operator.IS_NOT]),
    st.sampled_from(["cats", "dogs"]),
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=6,
)
facts = st.fixed_dictionaries(
    {
        **{name: st.none() | st.integers(0, 14) for name in FACTS},
        "in_community": st.sampled_from(["cats", "dogs"]),
    }
)


@given(trees, factors, facts)
def test_who_meets_the_criterion_keeps_the_tier(tree, factor, facts):
    kept = keep_criterion(Criterion(tree), factor)

    assert not evaluate(tree, facts) or evaluate(kept.root, facts)


RANKS = [None, 1, 2, 3]
SINCE = [None, *(TODAY - timedelta(days=days) for days in (0, 1, 13, 14, 15, 400))]


@pytest.mark.parametrize("grace_days", [0, 1, 14])
def test_every_decision_follows_the_rule(grace_days):
    for rank, earned, keeps, below_on, is_locked in product(
        RANKS, RANKS, [True, False], SINCE, [True, False]
    ):
        if rank is None and below_on is not None:
            continue
        held = Standing(rank, below_on, is_locked)

        verdict = decide(held, earned=earned, keeps=keeps, grace_days=grace_days, today=TODAY)

        if is_locked:
            assert verdict == Verdict(Change.NONE, held)
        elif (earned or 0) > (rank or 0):
            assert verdict == Verdict(Change.RISES, Standing(earned))
        elif earned == rank or keeps:
            assert verdict == Verdict(Change.NONE, Standing(rank))
        elif TODAY - (below_on or TODAY) >= timedelta(days=grace_days):
            assert verdict == Verdict(Change.FALLS, Standing(earned))
        else:
            assert verdict == Verdict(Change.NONE, Standing(rank, below_on or TODAY))


def test_up_is_at_once():
    verdict = decide(Standing(1), earned=3, keeps=True, grace_days=14, today=TODAY)

    assert verdict == Verdict(Change.RISES, Standing(3))


def test_down_waits_for_the_grace_to_run_out():
    standing, days = Standing(2), 0
    while True:
        verdict = decide(
            standing, earned=1, keeps=False, grace_days=14, today=TODAY + timedelta(days=days)
        )
        if verdict.change is Change.FALLS:
            break
        standing, days = verdict.standing, days + 1

    assert (days, verdict.standing) == (14, Standing(1))


def test_back_above_the_line_the_grace_begins_anew():
    below = Standing(2, TODAY - timedelta(days=13))

    back = decide(below, earned=1, keeps=True, grace_days=14, today=TODAY).standing
    again = decide(
        back, earned=1, keeps=False, grace_days=14, today=TODAY + timedelta(days=1)
    ).standing

    assert (back, again) == (Standing(2), Standing(2, TODAY + timedelta(days=1)))


def test_a_member_can_fall_out_of_all_tiers():
    below = Standing(2, TODAY - timedelta(days=14))

    verdict = decide(below, earned=None, keeps=False, grace_days=14, today=TODAY)

    assert verdict == Verdict(Change.FALLS, Standing(None))
