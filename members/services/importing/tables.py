"""The rows of a file, whichever format it has: names of columns, then records with their places."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple, Protocol

from django.utils.translation import gettext as _

from members.errors import WrongHeader
from members.services.importing.encodings import BOM
from members.services.importing.records import (
    RECORD_LIMIT,
    SHOWN_BYTES,
    Record,
    RecordReader,
)


class Place(NamedTuple):
    """Where reading goes on: ``position`` and ``line`` of the next record, 0 for the beginning."""

    position: int
    line: int


class Table(Protocol):
    """``size`` is in the units of positions; 0 where nobody can tell beforehand."""

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def size(self) -> int: ...
    def records(self, place: Place) -> Iterator[Record]: ...


class CsvTable:
    """Comma-separated values with a header."""

    def __init__(self, file: IO[bytes], *, encoding: str, size: int) -> None:
        self.file = file
        self.encoding = encoding
        self.size = size
        header = next(iter(RecordReader(file, encoding=encoding)), None)
        if header is None or header.code:
            message = header.message if header else ""
            raise WrongHeader(_("读不出表头。%(message)s") % {"message": message})
        self.names = [str(name).strip() for name in header.fields]
        self._begin = Place(header.end, header.end_line)

    def records(self, place: Place) -> Iterator[Record]:
        place = place if place.position else self._begin
        reader = RecordReader(
            self.file, encoding=self.encoding, position=place.position, line=place.line
        )
        return (record for record in reader if record.fields or record.code)


class LinesTable:
    """JSON objects, one a line; the names are those of the layout, for there is no header."""

    def __init__(self, file: IO[bytes], *, names: Sequence[str], size: int) -> None:
        self.file = file
        self.names = list(names)
        self.size = size

    def records(self, place: Place) -> Iterator[Record]:
        self.file.seek(place.position)
        position, line = place.position, max(place.line, 1)
        while text := self.file.readline(RECORD_LIMIT + 1):
            if not position:
                text = text.removeprefix(BOM)
            if is_long := len(text) > RECORD_LIMIT:
                self._skip_rest()
            position = self.file.tell()
            if is_long:
                yield self._broken(line, position, text, "record_too_long")
            elif text.strip():
                yield self._read(line, position, text)
            line += 1

    def _skip_rest(self) -> None:
        while (rest := self.file.readline(RECORD_LIMIT)) and not rest.endswith(b"\n"):
            pass

    def _read(self, line: int, end: int, text: bytes) -> Record:
        try:
            item = json.loads(text.decode(), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return self._broken(line, end, text, "malformed")
        if not isinstance(item, dict):
            return self._broken(line, end, text, "not_an_object")
        if unknown := sorted(item.keys() - set(self.names)):
            return self._broken(line, end, text, "unknown_field", unknown)
        return Record(line, end, line + 1, [item.get(name) for name in self.names])

    def _broken(
        self, line: int, end: int, text: bytes, code: str, unknown: Sequence[str] = ()
    ) -> Record:
        names = "、".join(name[:60] for name in unknown[:10])
        words = {"limit": RECORD_LIMIT // 1024, "names": names}
        reasons = {
            "malformed": _("这一行不是 UTF-8 编码的 JSON。"),
            "not_an_object": _("必须是一个 JSON 对象。"),
            "unknown_field": _("没有这些字段：%(names)s。"),
            "record_too_long": _("这一行太长，超过 %(limit)d KB。"),
        }
        raw = text[:SHOWN_BYTES].decode("utf-8", "replace").rstrip("\r\n")
        return Record(line, end, line + 1, [], code, reasons[code] % words, raw)


def _refuse_constant(name: str) -> object:
    raise ValueError(name)
