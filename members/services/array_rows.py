"""The way of many rows from PostgreSQL into NumPy, without a Python object for each value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scrm.shared.sql import Sql

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

BINARY_HEADER = 19  # bytes before the first row of a binary COPY


def read_rows(cursor: CursorWrapper, query: Sql, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The rows of a query as a structured array, by way of a binary COPY.

    No column is NULL and all have a fixed size, so every row has the same layout: how many
    columns, and before each value its length, all big-endian.
    """
    raw: Any = cursor.cursor  # psycopg's own cursor; Django's wrapper has no copy()
    data = bytearray()
    with raw.copy(f"COPY ({query.text}) TO STDOUT (FORMAT BINARY)", query.params) as copy:
        for block in copy:
            data += block
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for name, *_format in dtype.descr:
        size = dtype[name].itemsize
        layout += [(f"size of {name}", ">i4"), (name, f">{dtype[name].kind}{size}")]
    wire = np.dtype(layout)
    count = (len(data) - BINARY_HEADER) // wire.itemsize  # two bytes end it
    rows = np.frombuffer(data, wire, count=count, offset=BINARY_HEADER)
    read = np.empty(count, dtype)
    for name in dtype.names or ():
        read[name] = rows[name]
    return read
