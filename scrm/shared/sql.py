"""Pieces of SQL with their parameters, for what has no form in the ORM.

Text is written in the code or comes from Django's compiler; values are always parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from string import Formatter
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from psycopg.errors import QueryCanceled

from scrm.shared.errors import DomainError


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of a statement and the parameters of its ``%s``, in their order."""

    text: str
    params: tuple[Any, ...] = ()

    def __add__(self, other: Sql) -> Sql:
        return Sql(self.text + other.text, self.params + other.params)


def sql(template: str, *parts: Sql | object) -> Sql:
    """Put pieces and values where ``{}`` stands in a template: values become parameters."""
    texts: list[str] = []
    params: list[object] = []
    for part in parts:
        piece = part if isinstance(part, Sql) else Sql("%s", (part,))
        texts.append(piece.text)
        params += piece.params
    return Sql(template.format(*texts), tuple(params))


def named_sql(template: str, **parts: Sql | object) -> Sql:
    """The same where ``{name}`` stands in a template, as often as it does."""
    names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    positional = Formatter().vformat(template, (), dict.fromkeys(names, "{}"))
    return sql(positional, *(parts[name] for name in names))


def joined(separator: str, parts: Iterable[Sql]) -> Sql:
    pieces = list(parts)
    return Sql(
        separator.join(piece.text for piece in pieces),
        tuple(param for piece in pieces for param in piece.params),
    )


@contextmanager
def time_limit(milliseconds: int, *, otherwise: DomainError) -> Iterator[None]:
    """Statements in the block may take so long each; one that takes longer is refused."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            (former,) = cursor.fetchone()
            set_locally = "SELECT set_config('statement_timeout', %s, true)"
            cursor.execute(set_locally, [str(milliseconds)])
            yield
            cursor.execute(set_locally, [former])
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise otherwise from error


def sql_of(rows: QuerySet[Any, Any]) -> Sql:
    """A queryset as a piece of SQL."""
    try:
        text, params = rows.query.sql_with_params()
    except EmptyResultSet:
        return Sql("SELECT NULL::bigint WHERE FALSE")
    return Sql(text, tuple(params))
