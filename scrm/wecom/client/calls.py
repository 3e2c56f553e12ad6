"""One call of the platform: its turn, its token, its answer, and what may be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from scrm.wecom.client.errors import Kind, Outcome, WecomRefusal
from scrm.wecom.models import WecomConnection


@dataclass(frozen=True, slots=True)
class Api:
    """One interface. ``repeatable``: doing it twice is the same as doing it once, so it is tried
    again when its answer was lost."""

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


class Calls:
    """What every group of calls builds on."""

    def __init__(
        self, connection: WecomConnection, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.connection = connection
        self.agent_id = connection.agent_id

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write down how much was used."""

    def ask(
        self,
        api: Api,
        body: dict[str, Any] | None = None,
        *,
        params: dict[str, str] | None = None,
        file: tuple[str, bytes] | None = None,
    ) -> dict[str, Any]:
        """The answer, its errcode 0. Raises ``WecomRefusal``."""
        raise NotImplementedError

    def required[T](self, api: Api, answer: dict[str, Any], key: str, kind: type[T]) -> T:
        """What a good answer cannot lack. Without it the answer counts as lost."""
        value = answer.get(key)
        if isinstance(value, kind) and (value or kind is list):
            return value
        raise WecomRefusal(
            api.name,
            code=0,
            kind=Kind.TRANSIENT,
            outcome=Outcome.RETRYABLE if api.repeatable else Outcome.UNKNOWN,
            message=f"no {key} in the answer",
        )

    def new_id(self, api: Api, answer: dict[str, Any], key: str) -> str:
        return self.required(api, answer, key, str)
