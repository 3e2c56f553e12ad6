"""Typed readers of environment variables. They fail loudly; only settings.py calls them."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})


def text(name: str, *, default: str | None = None) -> str:
    """The variable, or the content of the file that NAME_FILE points to (secrets of containers)."""
    value = os.environ.get(name) or None
    path = os.environ.get(f"{name}_FILE") or None
    if value is not None and path is not None:
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
    if path is not None:
        try:
            value = Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from error
    if value is not None:
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} must be set (or {name}_FILE).")
    return default


def flag(name: str, *, default: bool = False) -> bool:
    value = os.environ.get(name, str(default)).strip().lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")


def integer(name: str, *, default: int, minimum: int, maximum: int) -> int:
    value = os.environ.get(name) or str(default)
    try:
        number = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from error
    if not minimum <= number <= maximum:
        raise ImproperlyConfigured(f"{name} must be from {minimum} to {maximum}, not {number}.")
    return number


def choice(name: str, *, default: str, among: tuple[str, ...]) -> str:
    value = os.environ.get(name) or default
    if value not in among:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(among)}, not {value!r}.")
    return value


def names(name: str, *, default: tuple[str, ...] = ()) -> list[str]:
    """A list separated by commas."""
    value = text(name, default=",".join(default))
    return [item.strip() for item in value.split(",") if item.strip()]


def folder(name: str, *, default: Path) -> Path:
    return Path(os.environ.get(name) or default).expanduser().absolute()


def database(url: str, *, options: dict[str, object]) -> dict[str, object]:
    """Django's description of a PostgreSQL database; libpq options in the URL win over ours."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise ImproperlyConfigured(
            "DATABASE_URL must read postgresql://user:password@host:5432/name."
        )
    given = dict(parse_qsl(parts.query))
    host = given.pop("host", None) or unquote(parts.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "OPTIONS": {**options, **given},
    }


def redis_database(url: str, number: int) -> str:
    """Another numbered database of the same server; for redis://, rediss:// and unix:// URLs."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        others = "".join(f"&{key}={value}" for key, value in parse_qsl(parts.query) if key != "db")
        return f"unix://{parts.netloc}{parts.path}?db={number}{others}"
    return parts._replace(path=f"/{number}").geturl()


def broker(url: str) -> str:
    """What kombu calls the same server: a Unix socket has another scheme there."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    number = dict(parse_qsl(parts.query)).get("db", "0")
    return f"redis+socket://{parts.path}?virtual_host={number}"
