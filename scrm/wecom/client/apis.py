"""What is known of one interface before it is called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Api:
    """``repeatable``: doing it twice is the same as doing it once, so it is tried again when its
    answer was lost."""

    name: str
    method: str
    repeatable: bool


def reading(name: str, *, method: str = "POST") -> Api:
    return Api(name, method, repeatable=True)


def setting(name: str) -> Api:
    """A write that leaves the same state however often it is made."""
    return Api(name, "POST", repeatable=True)


def acting(name: str) -> Api:
    """A write whose repetition does something once more."""
    return Api(name, "POST", repeatable=False)
