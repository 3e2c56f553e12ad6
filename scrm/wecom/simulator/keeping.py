"""The whole world as one JSON file, so that a restart finds everything as it was."""

from __future__ import annotations

import json
import os
import types
import typing
from contextlib import nullcontext
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

VERSION = 1


def save(thing: Any, path: Path) -> None:
    write(json_of(thing), path)


def json_of(thing: Any) -> str:
    return json.dumps({"version": VERSION, "world": to_plain(thing)}, ensure_ascii=False)


def write(text: str, path: Path) -> None:
    """In one step: a reader finds the old file or the new one. It holds secrets, so it is ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def load[T](kind: type[T], path: Path) -> T:
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.get("version") != VERSION:
        raise ValueError(f"{path} was written by another version of the simulator")
    loaded: T = from_plain(kind, content["world"])
    return loaded


@cache
def kept_fields(kind: Any) -> tuple[Field[Any], ...]:
    return tuple(each for each in fields(kind) if each.metadata.get("kept", True))


@cache
def hints_of(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def to_plain(value: Any) -> Any:
    """Dataclasses become objects without the fields that have their default value."""
    if is_dataclass(value) and not isinstance(value, type):
        with getattr(value, "lock", nullcontext()):
            return plain_fields(value)
    if isinstance(value, dict):
        return {key: to_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value


def plain_fields(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    return {
        each.name: to_plain(getattr(value, each.name))
        for each in kept_fields(kind)
        if not has_default(each, getattr(value, each.name))
    }


def has_default(each: Field[Any], value: Any) -> bool:
    if each.default is not MISSING:
        return bool(value == each.default)
    return each.default_factory in (list, dict) and not value


def from_plain(hint: Any, plain: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if plain is None else from_plain(arguments[0], plain)
    if origin is list:
        return [from_plain(arguments[0], each) for each in plain]
    if origin is tuple:
        return tuple(from_plain(arguments[0], each) for each in plain)
    if origin is dict:
        key, value = arguments
        return {key(name): from_plain(value, each) for name, each in plain.items()}
    if hint is bytes:
        return plain.encode("latin-1")
    if isinstance(hint, type) and is_dataclass(hint):
        hints = hints_of(hint)
        known = {each.name for each in kept_fields(hint)}
        return hint(**{k: from_plain(hints[k], v) for k, v in plain.items() if k in known})
    return plain
