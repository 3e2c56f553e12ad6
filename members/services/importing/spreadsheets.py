"""The first sheet of an Excel file, row by row, in memory that its rows do not enlarge.

Formulas count as the values that Excel last computed, cells of a date as instants in the
enterprise's time zone. openpyxl reads XML through defusedxml; how much there may be to unpack is
bounded here, before anything is.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, tzinfo
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from members.errors import UnreadableFile, WrongHeader
from members.services.importing.records import Record
from members.services.importing.tables import Place

if TYPE_CHECKING:
    from openpyxl.cell.read_only import ReadOnlyCell
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

MAGIC = b"PK\x03\x04"
UNPACKED_LIMIT = 300 * 1024 * 1024
STRINGS_LIMIT = 60 * 1024 * 1024  # texts of all cells; openpyxl keeps them in memory
PARTS_LIMIT = 1000
COLUMNS_LIMIT = 60
EXACT_LIMIT = 10**15  # Excel keeps fifteen digits of a number


class SheetTable:
    """Positions are numbers of rows, of which Excel calls the first 1."""

    def __init__(self, file: IO[bytes], *, zone: tzinfo) -> None:
        self.zone = zone
        self.sheet = opened(file)
        self.size = min(self.sheet.max_row or 0, 1 << 20)
        self.sheet.reset_dimensions()  # what a writer says of its size may be wrong
        self._header_row, self.names = self._header()

    def _header(self) -> tuple[int, list[str]]:
        for number, cells in self._rows(1):
            names = ["" if cell.value is None else str(cell.value).strip() for cell in cells]
            while names and not names[-1]:
                names.pop()
            if names:
                return number, names
        raise WrongHeader(_("读不出表头。%(message)s") % {"message": _("第一张工作表是空的。")})

    def records(self, place: Place) -> Iterator[Record]:
        for number, cells in self._rows(max(place.position, self._header_row) + 1):
            if any(cell.value is not None for cell in cells):
                yield self._record(number, cells)

    def _rows(self, first: int) -> Iterator[tuple[int, tuple[ReadOnlyCell, ...]]]:
        sheet: Any = self.sheet  # the stubs describe the writable kind
        rows: Iterable[tuple[ReadOnlyCell, ...]] = sheet.iter_rows(max_col=COLUMNS_LIMIT + 1)
        return islice(enumerate(rows, 1), first - 1, None)

    def _record(self, number: int, cells: tuple[ReadOnlyCell, ...]) -> Record:
        width = len(self.names)
        fields = [self._text(cell) for cell in cells[:width]]
        fields += [""] * (width - len(fields))
        fields += [self._text(cell) for cell in cells[width:] if cell.value is not None]
        if any(cell.data_type == "e" for cell in cells):
            message = _("有单元格是公式错误（例如 #N/A）。")
            return Record(number, number, number + 1, [], "cell_error", message, "|".join(fields))
        if any(_is_inexact(cell.value) for cell in cells):
            message = _(
                "有数字超过 15 位，Excel 已把末尾的数字变成 0。请把这一列设为文本后重新填写。"
            )
            raw = "|".join(fields)
            return Record(number, number, number + 1, [], "number_too_long", message, raw)
        return Record(number, number, number + 1, fields)

    def _text(self, cell: ReadOnlyCell) -> str:
        value = cell.value
        if value is None:
            return ""
        if isinstance(value, datetime):
            return value.replace(tzinfo=self.zone).isoformat()
        if isinstance(value, date):
            return datetime.combine(value, time.min, tzinfo=self.zone).isoformat()
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value)


def _is_inexact(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) >= EXACT_LIMIT  # type: ignore[arg-type]


def opened(file: IO[bytes]) -> ReadOnlyWorksheet:
    """The first sheet, or ``UnreadableFile`` in words."""
    from openpyxl import load_workbook  # noqa: PLC0415 - 30 ms and 10 MB that only imports need

    try:
        refuse_bombs(file)
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    except UnreadableFile:
        raise
    except Exception as error:
        raise _unreadable() from error
    if not sheets:
        raise UnreadableFile(_("Excel 文件里没有可见的工作表。"))
    return sheets[0]


def _unreadable() -> UnreadableFile:
    return UnreadableFile(_("读不了这个 Excel 文件：请用 Excel 打开后另存为 .xlsx 再导入。"))


def refuse_bombs(file: IO[bytes]) -> None:
    """The sizes that an archive declares are the most that is unpacked from it."""
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        strings = sum(part.file_size for part in parts if "sharedstrings" in part.filename.lower())
        unpacked = sum(part.file_size for part in parts)
    if len(parts) > PARTS_LIMIT or unpacked > UNPACKED_LIMIT or strings > STRINGS_LIMIT:
        words = {"limit": UNPACKED_LIMIT // 1024**2}
        raise UnreadableFile(
            _("这个 Excel 文件解压后太大（上限 %(limit)d MB），请拆成几个文件或另存为 CSV。")
            % words
        )
    file.seek(0)
