"""One call of the API: what was asked, by whom, and how to read its parameters."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scrm.wecom.simulator.corp import Corp
from scrm.wecom.simulator.faults import Trouble
from scrm.wecom.simulator.records import App
from scrm.wecom.simulator.refusals import Refused

Answer = dict[str, Any]


@dataclass
class Upload:
    name: str
    content: bytes
    type: str = ""


@dataclass
class Call:
    corp: Corp
    app: App
    api: str
    query: dict[str, str]
    body: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)
    origin: str = ""
    troubles: list[Trouble] = field(default_factory=list)

    # Parameters of the body: what is missing or has another shape is refused ---------------------

    def text(self, name: str, *, missing: int = 0, default: str = "") -> str:
        value = self.body.get(name)
        if value is None or value == "":
            if missing:
                raise Refused(missing)
            return default
        if not isinstance(value, str):
            raise Refused(40058, f"{name} invalid")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        value = self.body.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refused(40058, f"{name} invalid")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.body.get(name, default)
        if value not in (True, False, 0, 1):
            raise Refused(40058, f"{name} invalid")
        return bool(value)

    def texts(self, name: str, *, at_most: int, missing: int = 0, inside: str = "") -> list[str]:
        """A list of texts; ``inside`` an object of that name."""
        holder = self.body.get(inside) or {} if inside else self.body
        value = holder.get(name) if isinstance(holder, dict) else None
        if not value:
            if missing:
                raise Refused(missing)
            return []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise Refused(40058, f"{name} invalid")
        if len(value) > at_most:
            raise Refused(40058, f"{name} size out of range")
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        value = self.body.get(name)
        if value is not None and not isinstance(value, dict):
            raise Refused(40058, f"{name} invalid")
        return value or None

    def failing_items(self, count: int) -> dict[int, int]:
        """Which of this call's items fail by demand, and with which code."""
        failing = {}
        for trouble in self.troubles:
            if trouble.kind == "fail_items" and trouble.share > 0:
                step = max(1, round(1 / trouble.share))
                failing.update(dict.fromkeys(range(0, count, step), trouble.code))
        return failing


# --- Pages --------------------------------------------------------------------------------------


def cursor_text(api: str, place: Sequence[int]) -> str:
    return urlsafe_b64encode(json.dumps([api, *place]).encode()).decode().rstrip("=")


def cursor_place(call: Call) -> list[int]:
    """Where the last page ended; empty at the beginning. Raises 50100 for another's cursor."""
    text = call.text("cursor") or call.query.get("cursor", "")
    if not text:
        return []
    try:
        decoded = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        api, place = decoded[0], [int(each) for each in decoded[1:]]
    except (ValueError, TypeError, LookupError):
        raise Refused(50100) from None
    if api != call.api:
        raise Refused(50100)
    return place


def page_of[T](
    call: Call, rows: Sequence[T], limit: int, serial: Callable[[T], int]
) -> tuple[list[T], str]:
    """Rows in the order of their serial, after the cursor, and the cursor of the next page."""
    place = cursor_place(call)
    after = place[0] if place else -1
    ahead = [row for row in rows if serial(row) > after]
    ahead.sort(key=serial)
    shown = ahead[:limit]
    return shown, cursor_text(call.api, [serial(shown[-1])]) if len(ahead) > limit else ""


# --- The table of endpoints ---------------------------------------------------------------------


@dataclass(frozen=True)
class Endpoint:
    """``empty`` are the fields that a failure still carries."""

    method: str
    api: str
    run: Callable[[Call], Answer]
    empty: dict[str, Any] = field(default_factory=dict)

    @property
    def for_customers(self) -> bool:
        return self.api.startswith("externalcontact/")


ENDPOINTS: dict[str, Endpoint] = {}


def endpoint(
    method: str, api: str, **empty: Any
) -> Callable[[Callable[[Call], Answer]], Callable[[Call], Answer]]:
    def register(run: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        ENDPOINTS[api] = Endpoint(method, api, run, empty)
        return run

    return register
