import json

import pytest
from django import forms
from django.utils.translation import override

from communities.admin.criterion_field import CriterionFormField, CriterionWidget, refuse_unknown
from scrm.shared.criteria import Criterion, parse_criterion
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import CommunityFactory

CLAUSE = {"metric": "purchase_amount", "op": "gte", "value": 12345, "window_days": 30}
ORDERS = {"metric": "purchase_count", "op": "eq", "value": 0}
NESTED = {"any": [{"all": [CLAUSE, ORDERS]}, {"not": {"any": [ORDERS, CLAUSE]}}]}


class Form(forms.Form):
    criterion = CriterionFormField()


def refused(raw):
    form = Form({"criterion": raw if isinstance(raw, str) else json.dumps(raw)})
    assert not form.is_valid()
    return form


def settings_of(form):
    """What the page hands to the script."""
    html = str(form["criterion"])
    start = html.index(">", html.index('type="application/json"')) + 1
    return json.loads(html[start : html.index("</script>", start)])


@pytest.mark.parametrize(
    "raw", [{}, {"all": [CLAUSE]}, {"any": [CLAUSE, ORDERS]}, ORDERS, NESTED, {"not": CLAUSE}]
)
def test_a_criterion_survives_the_form_untouched(raw):
    field = CriterionFormField()
    shown = field.prepare_value(raw)

    assert field.clean(shown) == (parse_criterion(raw) if raw else Criterion())
    assert not field.has_changed(raw, shown)


def test_only_another_meaning_is_a_change():
    field = CriterionFormField()
    spaced = '{ "value": 0, "op": "eq",\n "metric": "purchase_count" }'

    assert not field.has_changed(ORDERS, spaced)
    assert field.has_changed(ORDERS, json.dumps(CLAUSE))
    assert field.has_changed(ORDERS, "")
    assert field.has_changed(ORDERS, "{")
    assert not field.has_changed({}, " ")


@pytest.mark.parametrize(
    ("raw", "place", "words"),
    [
        ({**CLAUSE, "value": "1.234"}, "$.value", "第 1 条：请填金额，单位是元"),
        ({"all": [ORDERS, {**ORDERS, "value": "x"}]}, "$.all[1].value", "第 2 条：这里应是 0 到"),
        ({"all": [{**ORDERS, "value": ""}]}, "$.all[0].value", "第 1 条：请填写。"),
        ({"all": [{"metric": "", "op": "", "value": ""}]}, "$.all[0].metric", "请选择指标。"),
        (
            {"any": [{"all": [ORDERS, ORDERS]}, {"not": {**ORDERS, "window_days": "x"}}]},
            "$.any[1].not.window_days",
            "第 3 条：“近几天”应是 1 到 3660",
        ),
        (
            {"metric": "active_days", "op": "gte", "value": 3},
            "$.window_days",
            "第 1 条：请填写“近几天”。",
        ),
        ({"all": []}, "$.all", "条件组不能为空"),
    ],
)
def test_what_is_wrong_is_told_by_number_and_handed_to_the_builder_by_place(raw, place, words):
    form = refused(raw)
    (error,) = settings_of(form)["errors"]

    assert words in form.errors["criterion"][0]
    assert error["path"] == place
    assert error["message"] in form.errors["criterion"][0]
    assert not error["message"].startswith("第")


def test_everything_wrong_is_told_at_once():
    form = refused({"all": [{**ORDERS, "value": -1}, {**ORDERS, "op": "is"}]})

    assert [error["path"] for error in settings_of(form)["errors"]] == [
        "$.all[0].value",
        "$.all[1].op",
    ]


@pytest.mark.parametrize(
    "written", ["{", "null", "[]", "3", '"x"', "{}x", "[" * 9000, '{"not":' * 2500 + "{}", "\0"]
)
def test_what_is_no_criterion_is_refused_and_kept(written):
    form = refused(written)

    assert written.replace('"', "&quot;") in str(form["criterion"])


def test_a_text_without_an_end_is_refused():
    assert refused(" " * 20_000 + json.dumps({"all": [CLAUSE] * 400})).errors["criterion"]


def test_nothing_filled_in_is_no_threshold_unless_one_is_required():
    assert CriterionFormField().clean(" ") == Criterion()
    with pytest.raises(forms.ValidationError, match="请至少添加一个条件。"):
        CriterionFormField(required=True).clean("{}")


@pytest.mark.django_db
def test_a_stranger_s_community_is_refused_at_its_clause():
    mine, stranger = CommunityFactory(), CommunityFactory(code="elsewhere")
    named = [{"metric": "in_community", "op": "is", "value": one.code} for one in (mine, stranger)]

    with pytest.raises(forms.ValidationError) as refusal:
        refuse_unknown(parse_criterion({"any": named}), enterprise_id=mine.enterprise_id)

    (error,) = refusal.value.error_list
    assert error.params["path"] == "$.any[1].value"
    assert error.messages == ["第 2 条：没有代码为“elsewhere”的社群。"]


@pytest.mark.django_db
def test_known_names_pass():
    refuse_unknown(Criterion(), enterprise_id=EnterpriseFactory().pk)


def test_the_builder_gets_metrics_words_and_limits_in_the_language_of_the_page():
    unbound = Form(initial={"criterion": CLAUSE})
    settings = settings_of(unbound)
    amount = next(one for one in settings["metrics"] if one["name"] == "purchase_amount")

    assert (amount["label"], amount["value_type"]) == ("购买金额", "money")
    assert settings["max_depth"] == 6
    assert settings["sentence"] == "近 30 天购买金额 ≥ 123.45 元"
    with override("en"):
        assert settings_of(unbound)["metrics"][0]["label"] == "Purchases"


def test_a_form_can_hold_several_builders():
    first, second = Form(prefix="a"), Form(prefix="b")

    assert 'id="id_a-criterion_settings"' in str(first["criterion"])
    assert 'id="id_b-criterion_settings"' in str(second["criterion"])
    assert CriterionWidget.errors == ()


def test_words_of_a_metric_cannot_break_out_of_the_page():
    form = Form({"criterion": '{"metric": "</script><b>", "op": "gte", "value": 1}'})

    assert "</script><b>" not in str(form["criterion"])
