"""The self-check: what is wrong here, and which command fixes it.

An app adds its own checks in a module called ``doctor``, which is found by itself:

    @check("broadcasts")
    def broadcasts_start_on_time() -> Finding: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from django.db import DatabaseError
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext as _
from redis.exceptions import RedisError


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """What one check found. Nothing secret goes into it: it is printed and sent around."""

    status: Status
    title: str
    detail: str
    fix: str = ""


@dataclass(frozen=True)
class Result:
    name: str
    finding: Finding


def fine(title: str, detail: str = "") -> Finding:
    return Finding(Status.OK, title, detail)


def warning(title: str, detail: str, *, fix: str) -> Finding:
    return Finding(Status.WARNING, title, detail, fix)


def failed(title: str, detail: str, *, fix: str) -> Finding:
    return Finding(Status.FAILED, title, detail, fix)


type Check = Callable[[], Finding]
_checks: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    def register(function: Check) -> Check:
        _checks[name] = function
        return function

    return register


def diagnose() -> list[Result]:
    """Run every check. One that cannot run is a finding, not the end of the visit."""
    autodiscover_modules("doctor")
    return [Result(name, _run(name, function)) for name, function in _checks.items()]


def _run(name: str, function: Check) -> Finding:
    try:
        return function()
    except (DatabaseError, RedisError, OSError) as error:
        return failed(
            name,
            _("检查没有完成：%(error)s") % {"error": type(error).__name__},
            fix=_("先解决数据库与 Redis 的问题，再运行一次"),
        )
