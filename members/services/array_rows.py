"""The way of many rows from PostgreSQL into NumPy, without a Python object for each value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scrm.shared.sql import Sql

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

CHUNK = 4 * 1024 * 1024  # bytes, as they came
BINARY_HEADER = 19  # bytes before the first row of a binary COPY


def read_rows(cursor: CursorWrapper, query: Sql, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The rows of a query as a structured array, by way of a binary COPY.

    No column is NULL and all have a fixed size, so every row has the same layout: how many
    columns, and before each value its length, all big-endian.
    """
    raw: Any = cursor.cursor  # psycopg's own cursor; Django's wrapper has no copy()
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for name, *_format in dtype.descr:
        size = dtype[name].itemsize
        layout += [(f"size of {name}", ">i4"), (name, f">{dtype[name].kind}{size}")]
    wire = np.dtype(layout)
    parts, data, skipped = [np.empty(0, dtype)], bytearray(), BINARY_HEADER
    with raw.copy(f"COPY ({query.text}) TO STDOUT (FORMAT BINARY)", query.params) as copy:
        for block in copy:
            data += block
            if len(data) > CHUNK:
                parts.append(_rows(data, skipped, wire, dtype))
                data, skipped = data[skipped + len(parts[-1]) * wire.itemsize :], 0
    parts.append(_rows(data, skipped, wire, dtype))
    return np.concatenate(parts)


def _rows(
    data: bytearray, skipped: int, wire: np.dtype[Any], dtype: np.dtype[Any]
) -> np.ndarray[Any, Any]:
    """The whole rows at hand; the two bytes that end a copy are none."""
    count = (len(data) - skipped) // wire.itemsize
    rows = np.frombuffer(bytes(data), wire, count=count, offset=skipped)
    read = np.empty(count, dtype)
    for name in dtype.names or ():
        read[name] = rows[name]
    return read
