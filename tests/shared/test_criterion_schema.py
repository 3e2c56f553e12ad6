"""The published schema and the parser have to take and refuse the same."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from scrm.shared.criteria import METRICS, InvalidCriterion, parse_criterion
from scrm.shared.criterion_schema import criterion_schema

CLAUSE_KEYS = ["metric", "op", "value", "window_days", "of"]
NAMES = [metric.name for metric in METRICS]
ORDERS = {"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 90}


@pytest.fixture(scope="module")
def schema():
    return Draft202012Validator(criterion_schema())


def is_parsed(raw):
    try:
        parse_criterion(raw)
    except InvalidCriterion:
        return False
    return True


def nested(depth):
    return ORDERS if depth == 1 else {"all": [nested(depth - 1)]}


def test_the_schema_is_one(schema):
    Draft202012Validator.check_schema(schema.schema)


@pytest.mark.parametrize(
    ("raw", "is_valid"),
    [
        ({}, True),
        (ORDERS, True),
        ({"any": [ORDERS, {"not": ORDERS}]}, True),
        ({**ORDERS, "window_days": None, "of": None}, True),
        ({"metric": "post_count", "op": "gte", "value": 3, "of": "vip"}, True),
        ({"metric": "tier_rank", "op": "gt", "value": 1, "of": "loyalty"}, True),
        ({"metric": "classified_as", "op": "is", "value": "region:east"}, True),
        (nested(6), True),
        (nested(7), False),
        ({"all": []}, False),
        ({"all": [ORDERS], "any": [ORDERS]}, False),
        ({"all": [{}]}, False),
        ({**ORDERS, "value": "3"}, False),
        ({**ORDERS, "value": True}, False),
        ({**ORDERS, "value": -1}, False),
        ({**ORDERS, "window_days": 0}, False),
        ({**ORDERS, "of": "vip"}, False),
        ({**ORDERS, "op": "is"}, False),
        ({**ORDERS, "metric": "unknown"}, False),
        ({**ORDERS, "also": 1}, False),
        ({"metric": "active_days", "op": "gte", "value": 3}, False),
        ({"metric": "churn_risk", "op": "gte", "value": 101}, False),
        ({"metric": "has_tag", "op": "is", "value": ""}, False),
        (None, False),
        ([], False),
    ],
)
def test_the_schema_takes_what_the_parser_takes(schema, raw, is_valid):
    assert (is_parsed(raw), schema.is_valid(raw)) == (is_valid, is_valid)


def mutated():
    """Clauses of which any part may be wrong, in groups that may be."""
    clause = st.fixed_dictionaries(
        {
            "metric": st.sampled_from([*NAMES, "nothing"]),
            "op": st.sampled_from(["gte", "lt", "eq", "is", "is_not"]),
            "value": st.sampled_from([0, 3, 101, 40_000, -1, 10**16, "vip", "a:b", "", None, True]),
        },
        optional={
            "window_days": st.sampled_from([None, 1, 90, 0, 3661, "7"]),
            "of": st.sampled_from([None, "vip", "", 3]),
            "other": st.none(),
        },
    )
    groups = st.sampled_from(["all", "any"])
    return st.recursive(
        clause | st.just({}),
        lambda parts: (
            st.builds(lambda key, some: {key: some}, groups, st.lists(parts, max_size=3))
            | parts.map(lambda part: {"not": part})
        ),
        max_leaves=5,
    )


@given(raw=mutated())
@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_schema_and_the_parser_agree(schema, raw):
    assert schema.is_valid(raw) == is_parsed(raw), raw
