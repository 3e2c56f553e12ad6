import pytest
from django.utils import translation

from scrm.shared.criteria import (
    LIMITS,
    NUMERIC,
    REFERENCE,
    AllOf,
    Clause,
    Criterion,
    InvalidCriterion,
    MetricDefinition,
    MetricRegistry,
    Not,
    Operator,
    ValueType,
    Window,
    parse_criterion,
)
from scrm.shared.criterion_words import describe


def definition(name, value_type=ValueType.COUNT, window=Window.OPTIONAL, parameter=None):
    is_reference = value_type not in LIMITS
    return MetricDefinition(
        name=name,
        label=f"[{name}]",
        unit="",
        source="",
        definition="",
        version=1,
        value_type=value_type,
        operators=REFERENCE if is_reference else NUMERIC,
        takes_window=window,
        parameter=parameter,
    )


@pytest.fixture
def registry():
    registry = MetricRegistry()
    registry.register(definition("orders"))
    registry.register(definition("spent", ValueType.MONEY))
    registry.register(definition("age", ValueType.DAYS, Window.NEVER))
    registry.register(definition("busy", window=Window.REQUIRED))
    registry.register(definition("inside", ValueType.COMMUNITY, Window.NEVER))
    registry.register(definition("sorted", ValueType.CLASSIFICATION, Window.NEVER))
    registry.register(definition("risk", ValueType.PERCENT, Window.NEVER))
    registry.register(definition("posts", parameter=ValueType.COMMUNITY))
    registry.register(definition("rank", ValueType.RANK, Window.NEVER, ValueType.TIER_SCHEME))
    return registry


def errors_of(raw, registry):
    with pytest.raises(InvalidCriterion) as refusal:
        parse_criterion(raw, registry=registry)
    return [(error.path, error.code) for error in refusal.value.errors]


ORDERS = {"metric": "orders", "op": "gte", "value": 3}
POSTS = {"metric": "posts", "op": "gte", "value": 10, "of": "vip"}
BUSY = {"metric": "busy", "op": "gt", "value": 1, "window_days": 90}


def test_an_empty_object_asks_for_nothing(registry):
    criterion = parse_criterion({}, registry=registry)

    assert criterion.is_empty
    assert criterion.as_json() == {}


def test_a_tree_is_read_with_the_path_of_every_clause(registry):
    raw = {"all": [ORDERS, {"not": {"any": [BUSY, ORDERS]}}]}

    criterion = parse_criterion(raw, registry=registry)

    assert [clause.path for clause in criterion.clauses()] == [
        "$.all[0]",
        "$.all[1].not.any[0]",
        "$.all[1].not.any[1]",
    ]
    assert criterion.as_json() == raw
    assert isinstance(criterion.root, AllOf)
    assert isinstance(criterion.root.parts[1], Not)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([], [("$", "not_an_object")]),
        (None, [("$", "not_an_object")]),
        ("orders", [("$", "not_an_object")]),
        ({"all": []}, [("$.all", "empty_group")]),
        ({**ORDERS, "of": "vip"}, [("$.of", "unexpected_parameter")]),
        ({**POSTS, "of": ""}, [("$.of", "bad_value")]),
        ({**POSTS, "of": 7}, [("$.of", "bad_value")]),
        ({"metric": "risk", "op": "gte", "value": 101}, [("$.value", "bad_value")]),
        ({"any": {}}, [("$.any", "not_a_list")]),
        ({"not": None}, [("$.not", "not_an_object")]),
        ({"all": [ORDERS], "any": [ORDERS]}, [("$", "ambiguous")]),
        ({"all": [ORDERS], **BUSY}, [("$", "ambiguous")]),
        ({"all": [ORDERS], "why": 1}, [("$.why", "unknown_key")]),
        ({**ORDERS, "window": 9}, [("$.window", "unknown_key")]),
        (
            {"foo": 1},
            [
                ("$.foo", "unknown_key"),
                ("$.metric", "missing_key"),
                ("$.op", "missing_key"),
                ("$.value", "missing_key"),
            ],
        ),
        ({**ORDERS, "metric": "order"}, [("$.metric", "unknown_metric")]),
        ({**ORDERS, "metric": ["orders"]}, [("$.metric", "unknown_metric")]),
        ({**ORDERS, "op": ">="}, [("$.op", "unknown_operator")]),
        ({**ORDERS, "op": "is"}, [("$.op", "unknown_operator")]),
        ({**ORDERS, "value": "3"}, [("$.value", "bad_value")]),
        ({**ORDERS, "value": True}, [("$.value", "bad_value")]),
        ({**ORDERS, "value": 2.5}, [("$.value", "bad_value")]),
        ({**ORDERS, "value": -1}, [("$.value", "bad_value")]),
        ({**ORDERS, "value": 10**30}, [("$.value", "bad_value")]),
        ({**ORDERS, "window_days": 0}, [("$.window_days", "bad_window")]),
        ({**ORDERS, "window_days": 1.5}, [("$.window_days", "bad_window")]),
        ({**ORDERS, "window_days": 10**9}, [("$.window_days", "bad_window")]),
        ({"metric": "busy", "op": "gt", "value": 1}, [("$.window_days", "missing_window")]),
        (
            {"metric": "age", "op": "gt", "value": 1, "window_days": 3},
            [("$.window_days", "unexpected_window")],
        ),
        ({"metric": "age", "op": "gt", "value": 10**6}, [("$.value", "bad_value")]),
        ({"metric": "inside", "op": "is", "value": 7}, [("$.value", "bad_value")]),
        ({"metric": "inside", "op": "is", "value": "a\x00b"}, [("$.value", "bad_value")]),
        ({"metric": "inside", "op": "is", "value": ""}, [("$.value", "bad_value")]),
    ],
)
def test_each_mistake_has_its_code_and_its_place(raw, expected, registry):
    assert errors_of(raw, registry) == expected


def test_everything_wrong_is_told_at_once(registry):
    raw = {
        "all": [
            {**ORDERS, "metric": "nothing"},
            {"any": [{**ORDERS, "op": "near"}, {**ORDERS, "value": None}]},
        ]
    }

    assert errors_of(raw, registry) == [
        ("$.all[0].metric", "unknown_metric"),
        ("$.all[1].any[0].op", "unknown_operator"),
        ("$.all[1].any[1].value", "bad_value"),
    ]


def test_a_misspelt_metric_is_answered_with_the_near_one(registry):
    with pytest.raises(InvalidCriterion, match="是不是 orders？"):
        parse_criterion({**ORDERS, "metric": "ordres"}, registry=registry)


def nested(levels):
    node = ORDERS
    for _ in range(levels - 1):
        node = {"not": node}
    return node


def test_six_levels_are_read_and_a_seventh_is_refused(registry):
    parse_criterion(nested(6), registry=registry)

    assert [code for _, code in errors_of(nested(7), registry)] == ["too_deep"]
    assert [code for _, code in errors_of(nested(900), registry)] == ["too_deep"]


def test_fifty_clauses_are_read_and_one_more_is_refused(registry):
    parse_criterion({"all": [ORDERS] * 50}, registry=registry)

    assert errors_of({"all": [ORDERS] * 51}, registry) == [("$.all[50]", "too_many_clauses")]
    assert errors_of({"all": [ORDERS] * 5000}, registry) == [("$.all[50]", "too_many_clauses")]


def test_a_metric_cannot_be_registered_twice(registry):
    with pytest.raises(ValueError, match="orders"):
        registry.register(definition("orders"))


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({}, "没有门槛"),
        (BUSY, "近 90 天[busy] > 1"),
        ({"metric": "spent", "op": "gte", "value": 123456}, "[spent] ≥ 1,234.56 元"),
        ({"metric": "age", "op": "lte", "value": 30}, "[age] ≤ 30 天"),
        ({"metric": "inside", "op": "is", "value": "vip"}, "在社群 vip 中"),
        ({"metric": "sorted", "op": "is_not", "value": "a:b"}, "[sorted]不为“a:b”"),
        ({"metric": "risk", "op": "gte", "value": 70}, "[risk] ≥ 70%"),
        ({**POSTS, "window_days": 90}, "在“vip”近 90 天[posts] ≥ 10"),
        ({**POSTS, "metric": "rank", "of": "loyalty"}, "“loyalty”的[rank] ≥ 10"),
        ({"not": ORDERS}, "不满足“[orders] ≥ 3”"),
        (
            {"all": [ORDERS, {"any": [BUSY, ORDERS]}]},
            "[orders] ≥ 3，并且（近 90 天[busy] > 1，或者[orders] ≥ 3）",
        ),
    ],
)
def test_a_criterion_reads_as_a_sentence(raw, sentence, registry):
    with translation.override("zh-hans"):
        assert describe(parse_criterion(raw, registry=registry), registry=registry) == sentence


def test_clauses_are_equal_whatever_their_place():
    one = Clause("orders", Operator.GTE, 3, path="$")

    assert Criterion(one) == Criterion(Clause("orders", Operator.GTE, 3, path="$.all[4]"))


def test_what_narrows_a_metric_is_kept(registry):
    assert parse_criterion(POSTS, registry=registry).as_json() == POSTS
    assert parse_criterion({**POSTS, "of": None}, registry=registry).clauses()[0].of is None


def test_things_are_called_by_their_names(registry):
    names = {(ValueType.COMMUNITY, "vip"): "VIP 社群"}
    inside = {"metric": "inside", "op": "is_not", "value": "vip"}
    criterion = parse_criterion({"all": [POSTS, inside]}, registry=registry)

    with translation.override("zh-hans"):
        sentence = describe(criterion, names=names, registry=registry)

    assert sentence == "在“VIP 社群”[posts] ≥ 10，并且不在社群 VIP 社群 中"
