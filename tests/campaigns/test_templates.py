import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import BadContent, UnknownVariable
from campaigns.rules.templates import (
    MAX_BYTES,
    WELCOME_VARIABLES,
    CannotRender,
    Variable,
    clean_text,
    parse_template,
)

NICKNAME = (Variable.NICKNAME,)


def rendered(text, nickname):
    return parse_template(text, allowed=NICKNAME).render({Variable.NICKNAME: nickname})


def test_variables_are_replaced_wherever_they_stand():
    assert rendered("{{昵称}}你好，{{ 昵称 }}！", "阿福") == "阿福你好，阿福！"


HOSTILE = [
    "{{昵称}}",
    "{{phone}}",
    "%NICKNAME%",
    "%(x)s",
    "{0.__class__.__init__.__globals__}",
    "{% debug %}",
    "<a href='//evil'>x</a>",
    "${7*7}",
    "#{7*7}",
    "{{7*7}}",
    "\\{\\{",
    "'; DROP TABLE members; --",
    "=cmd|' /C calc'!A0",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_comes_out_as_it_was_typed(value):
    assert rendered("{{昵称}}", value) == value


@given(st.text(min_size=1, max_size=50).filter(str.strip))
def test_no_value_is_ever_read_as_a_variable(value):
    assert rendered("<{{昵称}}|{{昵称}}>", value) == f"<{value}|{value}>"


def test_an_unknown_variable_is_refused_with_the_known_ones():
    with pytest.raises(UnknownVariable) as refusal:
        parse_template("{{昵称}}{{电话}}{{phone}}", allowed=WELCOME_VARIABLES)

    assert refusal.value.message == (
        "没有变量 {{电话}}、{{phone}}，可用：{{昵称}}、{{社群}}、{{群名}}。"
    )
    assert refusal.value.details == {
        "unknown": ["电话", "phone"],
        "known": ["昵称", "社群", "群名"],
    }


@pytest.mark.parametrize("text", ["{{昵称", "昵称}}", "{{昵称}", "{{ {{昵称}} }}"])
def test_braces_that_do_not_match_are_refused(text):
    with pytest.raises(BadContent):
        parse_template(text, allowed=NICKNAME)


@pytest.mark.parametrize("text", ["", " \n\t", "a\x00b", "a\x1bb", "\ud800", "\u007f"])
def test_texts_that_cannot_be_sent_are_refused(text):
    with pytest.raises(BadContent):
        clean_text(text, allowed=NICKNAME)


def test_line_ends_are_made_one_kind_and_blanks_around_are_cut():
    assert clean_text(" 第一行\r\n第二行\r", allowed=NICKNAME) == "第一行\n第二行"


def test_the_length_is_counted_in_bytes():
    assert clean_text("猫" * (MAX_BYTES // 3), allowed=NICKNAME)

    with pytest.raises(BadContent):
        clean_text("猫" * (MAX_BYTES // 3 + 1), allowed=NICKNAME)


@pytest.mark.parametrize(
    ("text", "nickname", "code"),
    [
        ("{{昵称}}", " \n", "render_empty"),
        ("{{昵称}}" * 50, "猫" * 100, "render_too_long"),
    ],
)
def test_a_text_that_renders_to_nothing_or_too_much_is_not_sent(text, nickname, code):
    with pytest.raises(CannotRender) as refusal:
        rendered(text, nickname)

    assert refusal.value.code == code


def test_hostile_text_of_any_length_is_read_in_no_time():
    for text in ("{{" * 25_000, "{{" + " " * 50_000, "{" * 50_000, "}}" * 25_000):
        with pytest.raises(BadContent):
            parse_template(text, allowed=NICKNAME)
