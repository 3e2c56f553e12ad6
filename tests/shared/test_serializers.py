import pytest
from rest_framework import serializers

from scrm.shared.api.fields import CleanJSONField, JsonObjectField
from scrm.shared.api.serializers import EmptySerializer, StrictSerializer


class Inner(StrictSerializer):
    name = serializers.CharField()


class Everything(StrictSerializer):
    text = serializers.CharField(required=False, allow_null=True)
    flag = serializers.BooleanField(required=False)
    number = serializers.IntegerField(required=False)
    amount = serializers.DecimalField(max_digits=6, decimal_places=2, required=False)
    share = serializers.FloatField(required=False)
    choice = serializers.ChoiceField([("a", "A"), ("1", "One")], required=False)
    several = serializers.MultipleChoiceField(choices=[("a", "A")], required=False)
    texts = serializers.ListField(child=serializers.CharField(), required=False)
    at = serializers.DateTimeField(required=False)
    day = serializers.DateField(required=False)
    uuid = serializers.UUIDField(required=False)
    anything = CleanJSONField(required=False)
    rule = JsonObjectField(required=False)
    inner = Inner(required=False)
    inners = Inner(many=True, required=False)
    state = serializers.CharField(read_only=True)


def errors_of(data):
    serializer = Everything(data=data)
    serializer.is_valid()
    return serializer.errors


@pytest.mark.parametrize(
    "data",
    [
        {"text": 123},
        {"text": True},
        {"text": ["a"]},
        {"flag": "yes"},
        {"flag": "true"},
        {"flag": 1},
        {"number": "12"},
        {"number": "١٢"},
        {"number": 1.0},
        {"number": True},
        {"amount": True},
        {"share": "0.5"},
        {"choice": 1},
        {"choice": True},
        {"choice": ["a"]},
        {"several": "a"},
        {"texts": ["a", 1]},
        {"texts": "a"},
        {"at": 0},
        {"day": 20260101},
        {"uuid": 1},
        {"rule": []},
        {"rule": "x"},
        {"inner": []},
        {"inner": {"name": 1}},
        {"inners": [{"name": 1}]},
    ],
    ids=str,
)
def test_nothing_is_turned_into_another_type(data):
    assert list(errors_of(data)) == list(data)


@pytest.mark.parametrize(
    "data",
    [
        {"text": "123"},
        {"text": None},
        {"flag": False},
        {"number": 12},
        {"amount": "1.50"},
        {"amount": 2},
        {"share": 1},
        {"choice": "1"},
        {"several": ["a"]},
        {"texts": ["a", "b"]},
        {"at": "2026-01-01T00:00:00Z"},
        {"day": "2026-01-01"},
        {"anything": [1, {"a": None}]},
        {"rule": {}},
        {"inner": {"name": "a"}},
        {"inners": [{"name": "a"}]},
    ],
    ids=str,
)
def test_the_right_type_is_taken(data):
    assert errors_of(data) == {}


def test_unknown_and_read_only_fields_are_named_together_with_the_other_errors():
    errors = errors_of({"txet": "a", "state": "done", "number": "1", "day": "soon"})

    codes = {name: [error.code for error in found] for name, found in errors.items()}
    assert codes == {
        "txet": ["unknown_field"],
        "state": ["read_only_field"],
        "number": ["invalid"],
        "day": ["invalid"],
    }


def test_unknown_fields_of_parts_are_refused_too():
    errors = errors_of({"inner": {"name": "a", "admin": True}})

    assert errors["inner"]["admin"][0].code == "unknown_field"


def test_a_command_without_arguments_takes_an_empty_object_only():
    assert EmptySerializer(data={}).is_valid()
    assert not EmptySerializer(data={"force": True}).is_valid()


@pytest.mark.parametrize("value", ["\0", "\ud800", float("inf"), float("nan")])
def test_text_and_numbers_that_postgresql_cannot_keep_are_refused(value):
    assert "anything" in errors_of({"anything": {"a": [value]}})
    if isinstance(value, str):
        assert "text" in errors_of({"text": f"a{value}b"})


def test_json_may_not_nest_without_end():
    nested = []
    for _ in range(40):
        nested = [nested]

    assert errors_of({"anything": nested})["anything"][0].code == "json_too_deep"
