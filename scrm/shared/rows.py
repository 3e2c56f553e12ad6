"""Writing many rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, models


def write_rows(rows: Sequence[models.Model], fields: Sequence[str]) -> None:
    """Save the named fields of these rows, with plain values, in one statement.

    ``bulk_update`` does the same with a CASE per row and field, which costs more to put together
    than to run.
    """
    if not rows:
        return
    table, columns = _described(rows, ["pk", *fields])
    key, *others = (f'"{column.column}"' for column in columns)
    sets = ", ".join(f"{name} = given.{name}" for name in others)
    given, values = _given(rows, columns)
    statement = f"UPDATE {table} AS kept SET {sets} FROM {given} WHERE kept.{key} = given.{key}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def insert_rows(rows: Sequence[models.Model], fields: Sequence[str]) -> None:
    """Insert these rows with the named fields, the others as the database has them, and let the
    rows know their keys."""
    if not rows:
        return
    table, columns = _described(rows, fields)
    key = f'"{rows[0]._meta.pk.column}"'
    names = ", ".join(f'"{column.column}"' for column in columns)
    given, values = _given(rows, columns)
    statement = f"INSERT INTO {table} ({names}) SELECT {names} FROM {given} RETURNING {key}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        for row, (pk,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = pk
            row._state.adding = False
            row._state.db = connection.alias


def _described(rows: Sequence[models.Model], fields: Sequence[str]) -> tuple[str, list[Any]]:
    meta = rows[0]._meta
    columns = [meta.pk if name == "pk" else meta.get_field(name) for name in fields]
    return f'"{meta.db_table}"', columns


def _given(rows: Sequence[models.Model], columns: Sequence[Any]) -> tuple[str, list[Any]]:
    """The rows as a table, in their order. Names and types come from the model."""
    names = ", ".join(f'"{column.column}"' for column in columns)
    kinds = ", ".join(f"%s::{_kind_of(column)}[]" for column in columns)
    values = [
        [
            column.get_db_prep_save(getattr(row, column.attname), connection=connection)
            for row in rows
        ]
        for column in columns
    ]
    return f"unnest({kinds}) AS given ({names})", values


def _kind_of(column: Any) -> str:
    """Without a length: a cast to varchar(20) would cut in silence."""
    kind: str = column.rel_db_type(connection) if column.primary_key else column.db_type(connection)
    return kind.split("(")[0]
