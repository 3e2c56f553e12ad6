"""Keyset pages: a page starts after the last row of the one before it, never at a row count.

The cursor holds the values of the ordering columns of one boundary row, ending with the primary
key, so ties, NULLs and rows inserted meanwhile neither repeat nor lose a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.core import signing
from django.core.exceptions import FieldDoesNotExist
from django.db.models import F, Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.fields.tuple_lookups import (
    TupleGreaterThan,
    TupleGreaterThanOrEqual,
    TupleLessThan,
    TupleLessThanOrEqual,
)
from django.db.models.lookups import Lookup
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

type Scalar = bool | int | float | str | date | datetime | Decimal | UUID | None

SIGNER = signing.Signer(salt="scrm.shared.api.pagination")
TYPES: dict[str, type[Any]] = {"t": datetime, "d": date, "n": Decimal, "u": UUID}


class BadCursor(ValueError):
    """A cursor that was not made here, or was made for another ordering."""


@dataclass(frozen=True)
class Column:
    name: str
    descending: bool
    nullable: bool

    def reversed(self) -> Column:
        return Column(self.name, not self.descending, self.nullable)

    def order_by(self) -> str:
        return f"-{self.name}" if self.descending else self.name

    def after(self, value: Scalar) -> Q:
        """Rows beyond ``value``, where PostgreSQL puts NULL above every other value."""
        if value is None:
            return Q((f"{self.name}__isnull", False)) if self.descending else Q(pk__in=[])
        beyond = Q((f"{self.name}__{'lt' if self.descending else 'gt'}", value))
        if self.nullable and not self.descending:
            beyond |= Q((f"{self.name}__isnull", True))
        return beyond

    def same(self, value: Scalar) -> Q:
        return Q((f"{self.name}__isnull", True)) if value is None else Q((self.name, value))


@dataclass(frozen=True)
class Cursor:
    """The rows beyond one boundary row, in one direction."""

    ordering: str
    backward: bool
    inclusive: bool
    values: tuple[Scalar, ...]

    def encode(self) -> str:
        values = [packed(value) for value in self.values]
        return SIGNER.sign_object([self.ordering, self.backward, self.inclusive, values])

    @classmethod
    def decode(cls, text: str, *, ordering: str, width: int) -> Cursor:
        try:
            made_for, backward, inclusive, values = SIGNER.unsign_object(text)
        except (signing.BadSignature, ValueError) as error:
            raise BadCursor from error
        if made_for != ordering or len(values) != width:
            raise BadCursor
        return cls(ordering, backward, inclusive, tuple(unpacked(value) for value in values))


def packed(value: Scalar) -> object:
    for tag, kind in TYPES.items():
        if isinstance(value, kind):
            return [tag, value.isoformat() if isinstance(value, date) else str(value)]
    return value


def unpacked(value: Any) -> Scalar:
    if not isinstance(value, list):
        scalar: Scalar = value
        return scalar
    tag, text = value
    kind = TYPES[tag]
    restored: Scalar = kind.fromisoformat(text) if issubclass(kind, date) else kind(text)
    return restored


def columns_of(model: type[Model], ordering: Sequence[str]) -> list[Column]:
    """The ordering as columns, made total by the primary key."""
    columns = [
        Column(name.lstrip("-"), name.startswith("-"), is_nullable(model, name.lstrip("-")))
        for name in ordering
    ]
    keys = [field.name for field in model._meta.pk_fields]
    columns = [
        Column(keys[0], column.descending, nullable=False)
        if column.name == "pk" and len(keys) == 1
        else column
        for column in columns
    ]
    descending = columns[-1].descending if columns else True
    named = {column.name for column in columns}
    return columns + [Column(key, descending, nullable=False) for key in keys if key not in named]


def is_nullable(model: type[Model], path: str) -> bool:
    """Whether a column of the ordering can be NULL. An annotation is taken to be able to."""
    at: Any = model
    for name in path.split(LOOKUP_SEP):
        if name == "pk":
            return False
        try:
            field = at._meta.get_field(name)
        except FieldDoesNotExist:
            return True
        if getattr(field, "null", True):
            return True
        at = field.related_model
    return False


def value_of(row: object, path: str) -> Scalar:
    value: Any = row
    for name in path.split(LOOKUP_SEP):
        value = None if value is None else getattr(value, name)
    scalar: Scalar = value.pk if isinstance(value, Model) else value
    return scalar


def beyond(
    columns: Sequence[Column], values: Sequence[Scalar], *, inclusive: bool
) -> Q | Lookup[Any]:
    """The condition for rows that come after ``values`` in the order of ``columns``."""
    directions = {column.descending for column in columns}
    if len(directions) == 1 and not any(column.nullable for column in columns):
        return row_comparison(columns, values, descending=directions.pop(), inclusive=inclusive)
    condition, same = Q(pk__in=[]), Q()
    for column, value in zip(columns, values, strict=True):
        condition |= same & column.after(value)
        same &= column.same(value)
    if inclusive:
        condition |= same
    first, value = columns[0], values[0]
    if first.nullable:
        return condition
    bound = Q((f"{first.name}__{'lte' if first.descending else 'gte'}", value))
    return bound & condition  # says nothing new, but is a range that an index can serve


def row_comparison(
    columns: Sequence[Column], values: Sequence[Scalar], *, descending: bool, inclusive: bool
) -> Lookup[Any]:
    """``(a, b, id) > (…)``: one range of an index, unlike the same thing spelled with OR."""
    lookups: tuple[type[Lookup[Any]], type[Lookup[Any]]] = (
        (TupleLessThan, TupleLessThanOrEqual)
        if descending
        else (TupleGreaterThan, TupleGreaterThanOrEqual)
    )
    return lookups[inclusive](tuple(F(column.name) for column in columns), tuple(values))


class KeysetPagination(BasePagination):
    """``{"results": [], "next": url, "previous": url, "has_more": bool}``.

    A view declares its default order in ``ordering`` and the orders a client may ask for in
    ``ordering_fields`` (names as clients write them; a mapping gives the column behind a name).
    """

    page_size = 50
    max_page_size = 200
    parameters: ClassVar[tuple[str, ...]] = ("cursor", "page_size", "ordering")

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any],
        request: Request,
        view: APIView | None = None,
    ) -> list[Any]:
        if not isinstance(queryset, QuerySet):
            raise TypeError("A page is cut from a queryset: only that can be read from a row on.")
        ordering = self.requested_ordering(request, view)
        columns = columns_of(queryset.model, ordering)
        cursor = self.requested_cursor(request, columns)
        size = self.requested_size(request)
        backward = cursor is not None and cursor.backward
        directed = [column.reversed() for column in columns] if backward else columns
        if cursor is not None:
            queryset = queryset.filter(beyond(directed, cursor.values, inclusive=cursor.inclusive))
        rows = list(queryset.order_by(*(column.order_by() for column in directed))[: size + 1])
        more, page = len(rows) > size, rows[:size]
        if backward:
            page.reverse()
        self.request = request
        self.has_more = (backward or more) if page else False
        self.next_cursor = self.boundary(columns, page[-1:], cursor, backward=False)
        self.previous_cursor = self.boundary(columns, page[:1], cursor, backward=True)
        if not (backward or more):
            self.next_cursor = None
        if cursor is None or (backward and not more):
            self.previous_cursor = None
        return page

    def boundary(
        self, columns: Sequence[Column], row: Sequence[object], at: Cursor | None, *, backward: bool
    ) -> Cursor | None:
        ordering = ",".join(column.order_by() for column in columns)
        if row:
            values = tuple(value_of(row[0], column.name) for column in columns)
            return Cursor(ordering, backward, inclusive=False, values=values)
        if at is None:
            return None
        return Cursor(ordering, backward, inclusive=True, values=at.values)

    def requested_ordering(self, request: Request, view: APIView | None) -> list[str]:
        default: Sequence[str] = getattr(view, "ordering", ("-pk",))
        asked = request.query_params.get("ordering")
        if not asked:
            return [default] if isinstance(default, str) else list(default)
        allowed = allowed_orderings(view)
        ordering = []
        for name in asked.split(","):
            column = allowed.get(name.removeprefix("-"))
            if column is None:
                message = _("不能按“%(name)s”排序，可用：%(names)s。")
                names = ", ".join(allowed)
                raise ValidationError(
                    {"ordering": message % {"name": name[:60], "names": names}}, "invalid_ordering"
                )
            ordering.append(f"-{column}" if name.startswith("-") else column)
        return ordering

    def requested_cursor(self, request: Request, columns: Sequence[Column]) -> Cursor | None:
        text = request.query_params.get("cursor")
        if not text:
            return None
        ordering = ",".join(column.order_by() for column in columns)
        try:
            return Cursor.decode(text, ordering=ordering, width=len(columns))
        except BadCursor as error:
            message = _("游标无效或不属于这个排序，请从第一页重新开始。")
            raise ValidationError({"cursor": message}, "invalid_cursor") from error

    def requested_size(self, request: Request) -> int:
        text = request.query_params.get("page_size")
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdecimal() and text.strip("0")):
            raise ValidationError({"page_size": _("每页数量必须是正整数。")}, "invalid_page_size")
        return min(int(text[:10]), self.max_page_size)

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "results": data,
                "next": self.link(self.next_cursor),
                "previous": self.link(self.previous_cursor),
                "has_more": self.has_more,
            }
        )

    def link(self, cursor: Cursor | None) -> str | None:
        if cursor is None:
            return None
        return replace_query_param(self.request.build_absolute_uri(), "cursor", cursor.encode())

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["results", "next", "previous", "has_more"],
            "properties": {
                "results": schema,
                "next": link,
                "previous": link,
                "has_more": {"type": "boolean"},
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "default": self.page_size}
        parameters = [
            parameter("cursor", _("上一个回答里 next 或 previous 的游标。"), {"type": "string"}),
            parameter("page_size", _("每页多少条，最多 %d。") % self.max_page_size, size),
        ]
        if names := allowed_orderings(view):
            choices = [sign + name for name in names for sign in ("", "-")]
            text = _("排序，可用逗号连接：%s。") % ", ".join(choices)
            parameters.append(parameter("ordering", text, {"type": "string"}))
        return parameters


def allowed_orderings(view: APIView | None) -> dict[str, str]:
    fields: Mapping[str, str] | Iterable[str] = getattr(view, "ordering_fields", ())
    return dict(fields) if isinstance(fields, Mapping) else {name: name for name in fields}


def parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }
