"""Which rows of a file were not taken, and why: in a file beside it, or as rows."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from django.utils.translation import gettext as _

from members.errors import UnreadableFile
from members.models import ImportRejection, ImportRun
from members.rules.rows import CONTROL
from members.services.importing.encodings import BOM

# What spreadsheets take for the start of a formula, also behind spaces and in full width.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
RAW_LIMIT = 500
ROWS_LIMIT = 10_000  # refused rows of one import that are kept as rows; the count goes on


class Refused(NamedTuple):
    """A row that was not taken: its place among the items from 0, and its line from 1."""

    position: int
    line: int
    code: str
    message: str
    raw: str


class RejectsSink(Protocol):
    """Where refused rows go. ``append`` returns the size of the file, where there is one."""

    path: Path

    def append(self, refused: Sequence[Refused]) -> int: ...


def as_cell(text: str) -> str:
    """Text that a spreadsheet shows as it is, instead of computing it."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def as_line(fields: list[Any]) -> str:
    """The fields of a row as one piece of CSV, cut to a length that one can still read."""
    buffer = StringIO()
    csv.writer(buffer, lineterminator="").writerow(fields)
    text = buffer.getvalue()
    return text if len(text) <= RAW_LIMIT else f"{text[:RAW_LIMIT]}…"


class RejectsFile:
    """Appended to batch by batch. What was written after the last batch that was kept is cut off
    when the import goes on, so that no line is reported twice."""

    def __init__(self, path: Path, *, kept: int) -> None:
        self.path = path
        self.size = kept if path.exists() and path.stat().st_size >= kept else 0
        if path.exists():
            os.truncate(path, self.size)

    def append(self, refused: Sequence[Refused]) -> int:
        """Write them to disk. Returns the size of the file."""
        if not refused:
            return self.size
        try:
            with self.path.open("ab") as file:
                if not self.size:
                    file.write(csv_head())
                file.write(csv_lines(refused))
                file.flush()
                os.fsync(file.fileno())
                self.size = file.tell()
        except OSError as error:
            words = {"path": str(self.path), "reason": error.strerror or str(error)}
            raise UnreadableFile(_("写不了拒绝明细文件 %(path)s：%(reason)s。") % words) from error
        return self.size


class RejectionRows:
    """In the transaction of the batch; of very many only the first are kept."""

    path = Path()

    def __init__(self, run: ImportRun) -> None:
        self.run = run
        self.room = max(0, ROWS_LIMIT - run.rejected_count)

    def append(self, refused: Sequence[Refused]) -> int:
        ImportRejection.objects.bulk_create(
            [
                ImportRejection(
                    run=self.run,
                    position=one.position,
                    line=one.line,
                    code=one.code,
                    detail=_printable(one.message, 500),
                    raw=_printable(one.raw, 600),
                )
                for one in refused[: self.room]
            ],
            batch_size=1000,
        )
        self.room = max(0, self.room - len(refused))
        return 0


def _printable(text: str, limit: int) -> str:
    """Without what a database or a page cannot hold."""
    return CONTROL.sub("\ufffd", text)[:limit]


def csv_head() -> bytes:
    return BOM + _csv([[_("行号"), _("代码"), _("原因"), _("原始内容")]])


def csv_lines(refused: Iterable[Refused]) -> bytes:
    """For a spreadsheet, which computes nothing of it."""
    return _csv(
        [[str(one.line), *map(as_cell, (one.code, one.message, one.raw))] for one in refused]
    )


def _csv(rows: list[list[str]]) -> bytes:
    buffer = StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode(errors="replace")
