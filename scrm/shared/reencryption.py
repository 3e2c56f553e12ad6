"""Writing every encrypted value again under the newest key, while the product goes on working."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import Model

from scrm.shared.crypto import EncryptedTextField, Unreadable, reencrypt
from scrm.shared.sql import Sql, sql

BATCH = 500
TRIES = 5  # for a value that somebody changes each time we look


@dataclass
class Column:
    """One encrypted column and what became of its values.

    ``unreadable`` are ids of rows whose value none of the keys opens, at most a hundred;
    ``left`` counts the values that are not under the newest key.
    """

    model: type[Model]
    field: EncryptedTextField
    current: int = 0
    rewritten: int = 0
    left: int = 0
    unreadable_count: int = 0

    def __post_init__(self) -> None:
        self.unreadable: list[object] = []

    @property
    def name(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"

    def refuse(self, pk: object) -> None:
        self.unreadable_count += 1
        if len(self.unreadable) < 100:
            self.unreadable.append(pk)


def encrypted_columns() -> list[Column]:
    return [
        Column(model, field)
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, EncryptedTextField) and not model._meta.proxy
    ]


def survey(column: Column) -> Column:
    """Count, and change nothing."""
    for batch in _batches(column):
        for pk, sealed in batch:
            if is_current(sealed):
                column.current += 1
            elif _renewed(sealed) is None:
                column.refuse(pk)
            else:
                column.left += 1
    return column


def renew(column: Column) -> Column:
    """Write what is not under the newest key again. A value that was replaced while we looked is
    looked at again, never overwritten."""
    for batch in _batches(column):
        waiting = batch
        for _try in range(TRIES):
            waiting = _renew_batch(column, waiting)
            if not waiting:
                break
        column.left += len(waiting)
    return column


def is_current(sealed: str) -> bool:
    try:
        Fernet(settings.PII_KEYS[0]).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def _renew_batch(column: Column, batch: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
    """Returns those that changed under our hands, as they are now."""
    changes: list[tuple[Any, str, str]] = []
    for pk, sealed in batch:
        if is_current(sealed):
            column.current += 1
        elif (again := _renewed(sealed)) is None:
            column.refuse(pk)
        else:
            changes.append((pk, sealed, again))
    if not changes:
        return []
    written = _exchange(column, changes)
    column.rewritten += len(written)
    return _read(column, [pk for pk, _old, _new in changes if pk not in written])


def _renewed(sealed: str) -> str | None:
    try:
        return reencrypt(sealed)
    except Unreadable:
        return None


def _batches(column: Column) -> Iterator[list[tuple[Any, str]]]:
    """All values by primary key, a batch at a time; rows made meanwhile come last or not at all,
    which is well, because they are written under the newest key."""
    table, pk, value = _names(column)
    filled = sql("SELECT {}, {} FROM {} WHERE {} <> ''", pk, value, table, value)
    batch = _rows(sql("{} ORDER BY {} LIMIT {}", filled, pk, BATCH))
    while batch:
        yield batch
        last = batch[-1][0]
        batch = _rows(sql("{} AND {} > {} ORDER BY {} LIMIT {}", filled, pk, last, pk, BATCH))


def _read(column: Column, pks: list[Any]) -> list[tuple[Any, str]]:
    if not pks:
        return []
    table, pk, value = _names(column)
    names = (pk, value, table, pk, pks, value)
    return _rows(sql("SELECT {}, {} FROM {} WHERE {} = ANY({}) AND {} <> ''", *names))


def _exchange(column: Column, changes: list[tuple[Any, str, str]]) -> set[Any]:
    """New values in place of the old ones, where they are still the old ones."""
    table, pk, value = _names(column)
    kind = Sql(column.model._meta.pk.rel_db_type(connection) or "bigint")
    pks, former, fresh = (list(values) for values in zip(*changes, strict=True))
    given = sql("unnest({}::{}[], {}::text[], {}::text[])", pks, kind, former, fresh)
    statement = sql(
        "UPDATE {} AS kept SET {} = given.fresh FROM {} AS given (pk, former, fresh)"
        " WHERE kept.{} = given.pk AND kept.{} = given.former RETURNING kept.{}",
        *(table, value, given, pk, value, pk),
    )
    return {row[0] for row in _rows(statement)}


def _rows(statement: Sql) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _names(column: Column) -> tuple[Sql, Sql, Sql]:
    quote = connection.ops.quote_name
    meta = column.model._meta
    return (
        Sql(quote(meta.db_table)),
        Sql(quote(str(meta.pk.column))),
        Sql(quote(str(column.field.column))),
    )
