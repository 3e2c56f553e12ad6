"""Reading one row that came from outside: a value of the right form, or a reason in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from django.utils.translation import gettext as _

from members.rules.birthdays import birthday_number

SKEW = timedelta(minutes=5)  # clocks of other systems run ahead by this much at most
SHOWN = 60  # characters of a bad value that a message repeats

CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
SOURCE = re.compile(r"\w[\w.-]{0,39}")


@dataclass(frozen=True)
class Period:
    """The instants that are believed, told once for a whole batch."""

    earliest: datetime
    latest: datetime
    years: int

    @classmethod
    def before(cls, now: datetime, *, days: int) -> Period:
        return cls(now - timedelta(days=days), now + SKEW, days // 365)


class BadRow(ValueError):
    """Why a row cannot be taken. ``code`` is stable, ``message`` is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, order=True)
class Rejection:
    """A row that was not taken, by its place in the batch."""

    index: int
    code: str
    message: str


def is_source(name: str) -> bool:
    """Whether ``name`` can name a source of data: letters, digits, dot, hyphen, underscore."""
    return SOURCE.fullmatch(name) is not None


def shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def read_text(value: object, column: str, *, limit: int) -> str:
    text = read_optional_text(value, column, limit=limit)
    if not text:
        raise BadRow("missing_value", _("缺少 %(column)s。") % {"column": column})
    return text


def read_optional_text(value: object, column: str, *, limit: int) -> str:
    if type(value) is str and len(value) <= limit and value.isprintable():
        return value.strip()  # the quick way, for nearly every value
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRow("not_text", _("%(column)s 必须是文本。") % {"column": column})
    text = value.strip()
    if len(text) > limit:
        words = {"column": column, "limit": limit, "length": len(text)}
        raise BadRow(
            "too_long", _("%(column)s 太长：%(length)d 个字符，最多 %(limit)d 个。") % words
        )
    if CONTROL.search(text):
        raise BadRow(
            "control_character",
            _("%(column)s 含有控制字符（例如空字符或换行）。") % {"column": column},
        )
    return text


def read_instant(value: object, column: str, *, within: Period) -> datetime:
    """An ISO 8601 instant with its offset, neither from the future nor too old, in UTC."""
    if not isinstance(value, str):
        raise BadRow("bad_time", _("%(column)s 必须是 ISO 8601 时间文本。") % {"column": column})
    try:
        instant = datetime.fromisoformat(value.strip())
    except ValueError:
        words = {"column": column, "value": shown(value)}
        raise BadRow(
            "bad_time",
            _("%(column)s “%(value)s” 不是 ISO 8601 时间，应类似 2026-11-22T09:30:00+08:00。")
            % words,
        ) from None
    if instant.tzinfo is None:
        words = {"column": column, "value": shown(value)}
        raise BadRow(
            "naive_time",
            _("%(column)s “%(value)s” 没有时区，应类似 2026-11-22T09:30:00+08:00。") % words,
        )
    if instant > within.latest:
        words = {"column": column, "value": shown(value)}
        raise BadRow("future_time", _("%(column)s “%(value)s” 在未来。") % words)
    if instant < within.earliest:
        words = {"column": column, "value": shown(value), "years": str(within.years)}
        raise BadRow("too_old", _("%(column)s “%(value)s” 早于 %(years)s 年前。") % words)
    return instant.astimezone(UTC)


def read_expiry(value: object, column: str, *, zone: tzinfo, now: datetime) -> datetime | None:
    """Until when something holds: a local day, which it still holds on, or an instant; None for
    good. It lies ahead."""
    text = read_optional_text(value, column, limit=40)
    if not text:
        return None
    words = {"column": column, "value": shown(text)}
    try:
        if DAY.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1)
            instant = datetime.combine(day, time.min, tzinfo=zone)
        else:
            instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError  # the instant could be anywhere in the world
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRow(
            "bad_time",
            _(
                "%(column)s “%(value)s” 应是日期（2027-03-31，当天仍有效），"
                "或带时区的时间（2027-03-31T18:00:00+08:00）。"
            )
            % words,
        ) from None
    if instant <= now:
        raise BadRow("expired", _("%(column)s “%(value)s” 已过。") % words)
    return instant


def read_birthday(value: object, column: str) -> int | None:
    """Month and day; a year before them is not kept."""
    text = read_optional_text(value, column, limit=40)
    if not text:
        return None
    birthday = birthday_number(text)
    if birthday is None:
        words = {"column": column, "value": shown(text)}
        raise BadRow("bad_birthday", _("%(column)s “%(value)s” 应是月和日，例如 03-08。") % words)
    return birthday


def read_amount(value: object, column: str, *, limit: int) -> int:
    """A whole number of minor units, as JSON integer or as digits."""
    if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        words = {"column": column, "value": shown(value)}
        raise BadRow("not_an_integer", _("%(column)s “%(value)s” 不是整数（单位：分）。") % words)
    if value < 0:
        raise BadRow("negative_amount", _("%(column)s 不能为负。") % {"column": column})
    if value > limit:
        words = {"column": column, "limit": str(limit)}
        raise BadRow("amount_too_large", _("%(column)s 超过上限 %(limit)s。") % words)
    return value
