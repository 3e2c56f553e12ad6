"""What the platform would refuse is refused here, before the call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scrm.wecom.client.errors import InvalidArguments
from scrm.wecom.rules import limits


def some(field: str, values: Iterable[str], *, most: int) -> list[str]:
    """Between one and ``most`` values."""
    found = at_most(field, values, most=most)
    if not found:
        raise InvalidArguments(field, "needs at least one value")
    return found


def at_most(field: str, values: Iterable[str], *, most: int) -> list[str]:
    if isinstance(values, str):
        raise InvalidArguments(field, "is a list, not one text")
    found = list(values)
    if len(found) > most:
        raise InvalidArguments(field, f"{len(found)} values, at most {most} allowed", limit=most)
    return found


def characters(field: str, value: str, *, most: int, least: int = 0) -> str:
    if not least <= len(value) <= most:
        raise InvalidArguments(
            field, f"{len(value)} characters, between {least} and {most} allowed", limit=most
        )
    return value


def octets(field: str, value: str, *, most: int, least: int = 0) -> str:
    """Text measured in bytes of UTF-8."""
    length = len(value.encode("utf-8", "replace"))
    if not least <= length <= most:
        raise InvalidArguments(
            field, f"{length} bytes, between {least} and {most} allowed", limit=most
        )
    return value


def identity(field: str, value: str) -> str:
    """An id of the platform: never empty, never longer than any of its ids."""
    return octets(field, value, least=1, most=limits.MAX_ID)


def among(field: str, value: object, allowed: Sequence[object]) -> None:
    if value not in allowed:
        raise InvalidArguments(field, f"must be one of {', '.join(map(str, allowed))}")


def one_of_both(fields: str, *given: object) -> None:
    if not any(given):
        raise InvalidArguments(fields, "must not all be empty")
