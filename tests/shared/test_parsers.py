import contextlib
import io
from types import SimpleNamespace

import pytest
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.utils import json

from scrm.shared.api.parsers import (
    MAX_BYTES,
    MAX_DEPTH,
    PayloadTooLarge,
    StrictJSONParser,
    Unacceptable,
    strict_json,
)

HOSTILE = [
    (b"[" * 100_000, "json_too_deep"),
    (b'[{"":' * 50_000, "json_too_deep"),
    (b"[" * 33 + b"]" * 33, "json_too_deep"),
    (b'{"a":' * 33 + b"1" + b"}" * 33, "json_too_deep"),
    (b'{"a": 1, "a": 2}', "duplicate_key"),
    (b'[{"x": {"a": 1, "b": 2, "a": 3}}]', "duplicate_key"),
    (b"NaN", "number_out_of_range"),
    (b"[Infinity]", "number_out_of_range"),
    (b'{"a": -Infinity}', "number_out_of_range"),
    (b"1e400", "number_out_of_range"),
    (b"[-1e400]", "number_out_of_range"),
    (b"9" * 5000, "invalid_json"),
    (b'"\\u0000"', "invalid_text"),
    (b'{"a\\u0000b": 1}', "invalid_text"),
    (b'["\\ud800"]', "invalid_text"),
    (b'{"deep": [{"\\udc00": 1}]}', "invalid_text"),
    (b'"\x00"', "invalid_json"),
    (b'"\xff"', "invalid_encoding"),
    ("\N{BYTE ORDER MARK}{}".encode(), "invalid_json"),
    ('{"名": "值"}'.encode("gb18030"), "invalid_encoding"),
    ('{"a": 1}'.encode("utf-16"), "invalid_encoding"),
    (b"", "invalid_json"),
    (b"{", "invalid_json"),
    (b"{'a': 1}", "invalid_json"),
    (b'{"a": 1,}', "invalid_json"),
    (b"{} {}", "invalid_json"),
    (b'"a\nb"', "invalid_json"),
]


@pytest.mark.parametrize(("body", "code"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_document_is_refused_with_its_reason(body, code):
    with pytest.raises(Unacceptable) as refusal:
        strict_json(body)

    assert refusal.value.code == code
    assert "\0" not in refusal.value.message
    refusal.value.message.encode()


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (
            b'{"name": "\xe7\x8c\xab", "n": [1, 2.5, true, null]}',
            {"name": "猫", "n": [1, 2.5, True, None]},
        ),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\\\u0000"', "\\u0000"),
        (b"1e300", 1e300),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, None),
    ],
)
def test_a_harmless_document_comes_through(body, document):
    parsed = strict_json(body)

    assert document is None or parsed == document


@given(
    st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode(errors="replace"))
)
def test_no_bytes_at_all_raise_anything_but_a_refusal(body):
    with contextlib.suppress(Unacceptable):
        strict_json(body)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner
            )
        ),
        max_leaves=20,
    )
)
def test_whatever_can_be_stored_is_read_as_it_was_written(document):
    assert strict_json(json.dumps(document)) == document


def parse(body, *, content_type="application/json", **view):
    request = RequestFactory().generic("POST", "/", body, content_type=content_type)
    context = {"request": request, "view": SimpleNamespace(**view), "encoding": request.encoding}
    return StrictJSONParser().parse(io.BytesIO(body), content_type, context)


def test_a_body_may_be_as_large_as_its_view_allows():
    body = b'"' + b"a" * (MAX_BYTES - 2) + b'"'

    assert len(parse(body)) == MAX_BYTES - 2
    with pytest.raises(PayloadTooLarge):
        parse(body + b" ")
    assert len(parse(body + b" ", max_body_bytes=MAX_BYTES + 1)) == MAX_BYTES - 2


def test_a_body_without_an_honest_length_is_still_cut_off():
    body = b'"' + b"a" * MAX_BYTES + b'"'
    request = RequestFactory().post("/", b"{}", content_type="application/json")

    with pytest.raises(PayloadTooLarge):
        StrictJSONParser().parse(io.BytesIO(body), None, {"request": request})


def test_another_charset_is_refused():
    with pytest.raises(UnsupportedMediaType):
        parse('{"名": 1}'.encode("gb18030"), content_type="application/json; charset=gb18030")


def test_a_refusal_becomes_a_parse_error_with_its_code():
    with pytest.raises(ParseError) as refusal:
        parse(b'{"a": 1, "a": 2}')

    assert refusal.value.detail.code == "duplicate_key"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"b":{"c":2,"c":3}}',
        b'{"a":1, "a" :2}',
        b'{"a":1,\n"a"\n:2}',
        b'[{"a\\"":1,"a\\"":2}]',
        b'{"a":":","a":":"}',
        b'{"x":":","a":1,"b" :2,"a":3}',
    ],
)
def test_a_repeated_name_is_found_however_it_is_written(body):
    with pytest.raises(Unacceptable) as refusal:
        strict_json(body)

    assert refusal.value.code == "duplicate_key"


@pytest.mark.parametrize("value", [":", '":', '"', ' ":', "a\n:", '{"a":1,"a":2}'])
def test_what_looks_like_a_repeated_name_inside_a_text_is_none(value):
    document = {"a": value, value: [value, {"a": value}]}

    assert strict_json(json.dumps(document)) == document
