"""The file beside an import that says which lines were not taken, and why."""

from __future__ import annotations

import csv
import os
from io import StringIO
from pathlib import Path

from django.utils.translation import gettext as _

from members.errors import UnreadableFile
from members.services.importing.encodings import BOM

# What spreadsheets take for the start of a formula, also behind spaces and in full width.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
RAW_LIMIT = 500


def as_cell(text: str) -> str:
    """Text that a spreadsheet shows as it is, instead of computing it."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def as_line(fields: list[str]) -> str:
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

    def append(self, rows: list[tuple[int, str, str, str]]) -> int:
        """Write rows of (line, code, reason, raw row) to disk. Returns the size of the file."""
        if not rows:
            return self.size
        try:
            with self.path.open("ab") as file:
                if not self.size:
                    header = [_("行号"), _("代码"), _("原因"), _("原始内容")]
                    file.write(BOM + self._csv([header]))
                file.write(self._csv([[str(line), *map(as_cell, rest)] for line, *rest in rows]))
                file.flush()
                os.fsync(file.fileno())
                self.size = file.tell()
        except OSError as error:
            words = {"path": str(self.path), "reason": error.strerror or str(error)}
            raise UnreadableFile(_("写不了拒绝明细文件 %(path)s：%(reason)s。") % words) from error
        return self.size

    @staticmethod
    def _csv(rows: list[list[str]]) -> bytes:
        buffer = StringIO()
        csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
        return buffer.getvalue().encode()
