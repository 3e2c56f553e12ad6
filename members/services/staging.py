"""The way of many rows into PostgreSQL: COPY into a temporary table, then one INSERT … SELECT."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

CHUNK = 512  # lines in one write to the server


def copy_lines(cursor: CursorWrapper, target: str, lines: Iterable[str]) -> None:
    """Send prepared lines in COPY's text format to ``target``: a table with its columns."""
    raw: Any = cursor.cursor  # psycopg's own cursor; Django's wrapper has no copy()
    with raw.copy(f"COPY {target} FROM STDIN") as copy:
        chunk: list[str] = []
        for line in lines:
            chunk.append(line)
            if len(chunk) == CHUNK:
                copy.write("".join(chunk))
                chunk.clear()
        copy.write("".join(chunk))


def escaped(text: str) -> str:
    """Text for a COPY line. Control characters were refused when the row was read."""
    return text.replace("\\", "\\\\")


def temporary_table(cursor: CursorWrapper, name: str, columns: str) -> None:
    """An empty table of this session. Made once a session: its catalogue rows are not free."""
    cursor.execute("SELECT to_regclass(%s)", [f"pg_temp.{name}"])
    (existing,) = cursor.fetchone()
    if existing is None:
        cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns}) ON COMMIT DELETE ROWS")
    else:
        cursor.execute(f"DELETE FROM {name}")  # noqa: S608 - a name of our own


def allow_long_pass(cursor: CursorWrapper) -> None:
    """Until the end of the transaction: statements that read a large table from end to end may
    take minutes, and add up the rows of 200,000 members in memory."""
    cursor.execute(
        "SELECT set_config('statement_timeout', '5min', true), set_config('work_mem', '64MB', true)"
    )


def affected(cursor: CursorWrapper) -> int:
    """How many rows the last statement changed."""
    return max(0, int(cursor.rowcount))


def join_whole_slices(cursor: CursorWrapper) -> None:
    """For statements over slices, until the end of the transaction: no nested loops. Rows written
    a moment ago are not in the statistics, and a loop over a slice that was taken for one row
    goes on for hours."""
    cursor.execute("SELECT set_config('enable_nestloop', 'off', true)")
