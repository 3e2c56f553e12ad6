"""A CSV file as a stream of records, each with its place, in memory that does not grow.

Good records are parsed by the standard library at full speed. A record that cannot be read (bad
encoding, quotes that do not close, too long) costs only its first line: reading goes on with the
next one, so that one stray quotation mark does not swallow the rest of the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from django.utils.translation import gettext as _

from members.services.importing.encodings import (
    BOM,
    GB18030,
    decoded,
    is_surely_utf8,
)

RECORD_LIMIT = 64 * 1024  # bytes of one record, with its line breaks
RECORD_LINES = 200
SKIP_CHUNK = 64 * 1024
SHOWN_BYTES = 500


class Record(NamedTuple):
    """The fields of a record, or why there are none. ``end`` is where the next one begins."""

    line: int
    end: int
    end_line: int
    fields: list[Any]
    code: str = ""
    message: str = ""
    raw: str = ""


class _Broken(Exception):
    """Raised out of the line feed, through the csv module, to this module."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class RecordReader:
    """Iterate over the records from a place in the file.

    ``position`` and ``line`` are a place where a record begins: the start of the file, or the
    ``end`` and ``end_line`` of an earlier record.
    """

    def __init__(self, file: IO[bytes], *, encoding: str, position: int = 0, line: int = 1) -> None:
        self.file = file
        self.encoding = encoding
        self.position = position  # of the next unread byte
        self.line = line  # the number of the next unread line
        self.record_start = position
        self.record_line = line
        self.first_length = 0
        self.file.seek(position)

    def __iter__(self) -> Iterator[Record]:
        while True:
            try:
                for fields in csv.reader(self._lines(), strict=True):
                    yield Record(self.record_line, self.position, self.line, fields)
                    self.record_start, self.record_line = self.position, self.line
                    self.first_length = 0
            except (_Broken, csv.Error) as error:
                yield self._give_up(getattr(error, "code", "malformed"))
            else:
                return

    def _lines(self) -> Iterator[str]:
        while line := self.file.readline(RECORD_LIMIT + 1):
            self.position += len(line)
            self.line += 1
            is_first = self.first_length == 0
            self.first_length = self.first_length or len(line)
            if self.position == len(line) and line.startswith(BOM):
                line = line[len(BOM) :]
            if self.position - self.record_start > RECORD_LIMIT or (
                self.line - self.record_line > RECORD_LINES
            ):
                raise _Broken("record_too_long" if is_first else "unclosed_quote")
            yield self._decoded(line)

    def _decoded(self, line: bytes) -> str:
        text = decoded(line, self.encoding)
        if text is None:
            raise _Broken("bad_encoding")
        if self.encoding == GB18030 and not line.isascii() and is_surely_utf8(line):
            raise _Broken("bad_encoding")  # it would decode, to other characters
        return text

    def _give_up(self, code: str) -> Record:
        """Leave the first line of the broken record behind."""
        self.file.seek(self.record_start)
        head = self.file.readline(RECORD_LIMIT + 1)
        self._skip_rest_of_line(head)
        raw = head[:SHOWN_BYTES].decode(self.encoding, "replace").rstrip("\r\n")
        line = self.record_line
        self.position = self.record_start = self.file.tell()
        self.line = self.record_line = line + 1
        self.first_length = 0
        return Record(line, self.position, self.line, [], code, self._why(code), raw)

    def _skip_rest_of_line(self, head: bytes) -> None:
        while head and not head.endswith(b"\n"):
            head = self.file.readline(SKIP_CHUNK)

    def _why(self, code: str) -> str:
        words = {"limit": RECORD_LIMIT // 1024, "encoding": self.encoding.upper()}
        reasons = {
            "bad_encoding": _("这一行不是 %(encoding)s 编码：文件里混有不同的编码。"),
            "record_too_long": _("这一行太长，超过 %(limit)d KB。"),
            "unclosed_quote": _("引号没有闭合，或字段里的换行太多。"),
            "malformed": _("引号的用法有误。"),
        }
        return reasons[code] % words
