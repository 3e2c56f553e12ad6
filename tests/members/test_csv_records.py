import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.errors import UnreadableFile
from members.services.importing.encodings import look_at
from members.services.importing.records import RECORD_LIMIT, RecordReader
from members.services.importing.rejects import as_cell


def read(data, encoding="utf-8", **place):
    return list(RecordReader(io.BytesIO(data), encoding=encoding, **place))


def fields(data, encoding="utf-8"):
    return [record.fields for record in read(data, encoding) if record.fields]


def broken(data, encoding="utf-8"):
    return [(record.line, record.code) for record in read(data, encoding) if record.code]


def test_fields_may_hold_quotes_commas_and_line_breaks():
    data = b'a,"b, ""c""\r\nd",e\r\nf,,g\n'

    records = read(data)

    assert [record.fields for record in records] == [["a", 'b, "c"\r\nd', "e"], ["f", "", "g"]]
    assert [(record.line, record.end, record.end_line) for record in records] == [
        (1, 19, 3),
        (3, len(data), 4),
    ]


def test_the_last_line_needs_no_line_break():
    assert fields(b"a,b\nc,d") == [["a", "b"], ["c", "d"]]


def test_reading_goes_on_from_where_any_record_ended():
    data = b'h1,h2\n"x\ny",1\nz,"bad\nq,2\nr,3\n'
    whole = read(data)

    for number, record in enumerate(whole):
        rest = read(data, position=record.end, line=record.end_line)
        assert rest == whole[number + 1 :]


def test_a_byte_order_mark_is_no_part_of_the_first_field():
    assert fields(b"\xef\xbb\xbfa,b\n") == [["a", "b"]]


@pytest.mark.parametrize(
    ("data", "expected_broken", "expected_fields"),
    [
        (b'a,"b\nc,d\n', [(1, "malformed")], [["c", "d"]]),
        (b'a,b\nc,"d"x\ne,f\n', [(2, "malformed")], [["a", "b"], ["e", "f"]]),
        (b"a,b\n\xff\xfe,c\nd,e\n", [(2, "bad_encoding")], [["a", "b"], ["d", "e"]]),
        (b'a,"b\n\xff",c\nd,e\n', [(1, "bad_encoding"), (2, "bad_encoding")], [["d", "e"]]),
        (b"a\rb,c\nd,e\n", [(1, "malformed")], [["d", "e"]]),
    ],
)
def test_a_broken_record_costs_only_its_first_line(data, expected_broken, expected_fields):
    assert broken(data) == expected_broken
    assert fields(data) == expected_fields


def test_a_stray_quotation_mark_does_not_swallow_the_rest_of_the_file():
    lines = [b'"oops,1\n', *[b"row,%d\n" % n for n in range(5000)]]

    records = read(b"".join(lines))

    assert [(record.line, record.code) for record in records if record.code] == [
        (1, "unclosed_quote")
    ]
    assert len([record for record in records if record.fields]) == 5000
    assert records[-1].line == 5001


def test_ten_megabytes_in_one_field_are_refused_in_little_memory():
    class Endless(io.RawIOBase):
        """Ten megabytes of one field, made while they are read."""

        def __init__(self):
            self.at, self.size = 0, 10 * 1024 * 1024

        def readable(self):
            return True

        def seekable(self):
            return True

        def seek(self, position, whence=0):
            self.at = position
            return position

        def tell(self):
            return self.at

        def readinto(self, buffer):
            tail = b"\ngood,row\n"
            end = self.size + len(tail)
            count = min(len(buffer), end - self.at)
            for offset in range(0, count, 4096):
                stop = min(offset + 4096, count)
                piece = bytearray(b"x" * (stop - offset))
                for place in range(max(self.at + offset, self.size), self.at + stop):
                    piece[place - self.at - offset] = tail[place - self.size]
                buffer[offset:stop] = piece
            self.at += count
            return count

    file = io.BufferedReader(Endless())
    tracemalloc.start()
    records = list(RecordReader(file, encoding="utf-8"))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [(record.line, record.code) for record in records] == [(1, "record_too_long"), (2, "")]
    assert records[1].fields == ["good", "row"]
    assert peak < 1024 * 1024


def test_a_long_quoted_field_is_refused_and_what_follows_is_read():
    data = b'"' + b"line\n" * (RECORD_LIMIT // 4) + b'end",1\ngood,row\n'

    records = read(data)

    assert records[0].code == "unclosed_quote"
    assert records[-1].fields == ["good", "row"]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("编号,昵称\n1,小明\n".encode(), "utf-8"),
        ("编号,昵称\n1,小明\n".encode("utf-8-sig"), "utf-8"),
        ("编号,昵称\n1,小明\n".encode("gb18030"), "gb18030"),
        ("a,b\n1,旅\n".encode("gb18030"), "gb18030"),
        ("a,b\n1,𠮷\n".encode("gb18030"), "gb18030"),
        (b"a,b\n1,2\n", "utf-8"),
        ("a,b\n1,小明\n2,小红\n".encode() + "3,小刚\n".encode("gb18030"), "utf-8"),
        ("a,b\n1,小明\n2,小红\n".encode("gb18030") + "3,小刚\n".encode(), "gb18030"),
    ],
)
def test_the_encoding_is_told_from_the_bytes(data, encoding):
    assert look_at(io.BytesIO(data)).encoding == encoding


def test_the_encoding_is_told_across_the_borders_of_chunks(monkeypatch):
    monkeypatch.setattr("members.services.importing.encodings.CHUNK", 5)

    assert look_at(io.BytesIO("a,b\n1,小明小红小刚\n".encode())).encoding == "utf-8"


def test_utf16_is_refused_with_a_way_out():
    with pytest.raises(UnreadableFile, match="UTF-8"):
        look_at(io.BytesIO("a,b\n".encode("utf-16")))


def test_lines_of_another_encoding_are_refused_one_by_one():
    utf8, gb18030 = "1,小明\n".encode(), "2,小红\n".encode("gb18030")

    assert broken(utf8 + gb18030 + utf8) == [(2, "bad_encoding")]
    assert broken(gb18030 + utf8 + gb18030, "gb18030") == [(2, "bad_encoding")]


def test_short_words_in_gb18030_are_not_taken_for_utf8():
    """旅 is C2 C3 and 履 is C2 C4: one of them is also valid UTF-8, for another letter."""
    text = "".join(f"{n},{word}\n" for n, word in enumerate("旅履乱码联通一丁"))

    assert "".join(f"{a},{b}\n" for a, b in fields(text.encode("gb18030"), "gb18030")) == text


@given(
    st.lists(
        st.lists(
            st.text(
                st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=8
            ),
            min_size=2,
            max_size=4,
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["utf-8", "gb18030"]),
)
def test_what_the_standard_library_writes_is_read_back(rows, encoding):
    import csv

    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows(rows)
    data = buffer.getvalue().encode(encoding)

    records = read(data, encoding)

    mixed = [record for record in records if record.code == "bad_encoding"]
    if not mixed:  # text that is UTF-8 as well is refused in a GB18030 file
        text = buffer.getvalue()
        expected = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
        assert [record.fields for record in records if record.fields] == expected


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+86 138",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1",
        "＋1",
        "－1",
        "＠a",
        "  =1",
    ],
)
def test_a_cell_never_starts_like_a_formula(text):
    assert as_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["m1,chat", "", "小明 = 好人", "1-2"])
def test_other_cells_stay_as_they_are(text):
    assert as_cell(text) == text
