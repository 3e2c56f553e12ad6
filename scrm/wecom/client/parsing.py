"""Answers of the platform as dataclasses: what is missing, extra or oddly typed does no harm.

A result declares per field where its value stands and how it is read::

    @dataclass(frozen=True, slots=True)
    class Tag:
        id: str = wire("id", text)
        created_at: datetime | None = wire("create_time", instant)

Every field has a default: what a document without it would give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, fields
from datetime import UTC, datetime
from typing import Any

type Read[T] = Callable[[Any], T]


def wire(key: str, read: Read[Any]) -> Any:
    """A field that is read from ``key``; the empty key stands for the whole document."""
    return field(default=read({} if key == "" else None), metadata={"key": key, "read": read})


def parse[T](kind: type[T], document: object) -> T:
    """``kind`` as the document tells it. Anything but a JSON object counts as an empty one."""
    given: dict[str, Any] = document if isinstance(document, dict) else {}
    get = given.get
    return kind(*[read(get(key) if key else given) for key, read in _plan(kind)])


type Plan = list[tuple[str, Read[Any]]]

_plans: dict[Any, Plan] = {}


def _plan(kind: Any) -> Plan:
    if kind not in _plans:
        _plans[kind] = [(each.metadata["key"], each.metadata["read"]) for each in fields(kind)]
    return _plans[kind]


# --- How a value is read --------------------------------------------------------------------------


def text(value: Any) -> str:
    """Without what a database cannot keep: NUL and halves of surrogate pairs."""
    if type(value) is str:
        return value if value.isprintable() else _storable(value)
    if value is None or isinstance(value, dict | list | bool):
        return ""
    return str(value)


def _storable(value: str) -> str:
    return value.replace("\0", "").encode("utf-8", "replace").decode()


def integer(value: Any) -> int:
    if type(value) is int:
        return value
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def flag(value: Any) -> bool:
    return integer(value) != 0


def instant(value: Any) -> datetime | None:
    """Unix seconds; nothing and zero are no instant."""
    seconds = integer(value)
    if seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(found for each in value if (found := text(each)))


def integers(value: Any) -> tuple[int, ...]:
    return tuple(map(integer, value)) if isinstance(value, list) else ()


def split(value: Any) -> tuple[str, ...]:
    """Of a list written as one text: ``"a|b"``."""
    return tuple(part for part in text(value).split("|") if part)


def inside[T](key: str, read: Read[T]) -> Read[T]:
    """``read`` applied to one value of a nested object."""
    return lambda value: read(value.get(key) if isinstance(value, dict) else None)


def each_in[T](key: str, read: Read[T]) -> Read[tuple[T, ...]]:
    """``read`` applied to one value of every object in a list; what is empty is left out."""

    def read_each(value: Any) -> tuple[T, ...]:
        rows = value if isinstance(value, list) else []
        return tuple(
            found for row in rows if isinstance(row, dict) and (found := read(row.get(key)))
        )

    return read_each


def many[T](kind: type[T]) -> Read[tuple[T, ...]]:
    """The objects of a list. Those whose first field, their id, is empty are left out."""
    plan = _plan(kind)
    (first, read_first), *_ = plan

    def read_many(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            return ()
        return tuple(
            kind(*[read(row.get(key) if key else row) for key, read in plan])
            for row in value
            if isinstance(row, dict) and read_first(row.get(first))
        )

    return read_many


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> tuple[dict[str, Any], ...]:
    return (
        tuple(each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()
    )
