"""Run one management command, with the embedded engines when it needs them and none are given."""

from __future__ import annotations

import sys

from django.conf import settings
from django.core.management import execute_from_command_line

from scrm.embedded import EngineError, Engines, engines_for_a_command

# These never open the database, so they need not wait for it.
WITHOUT_ENGINES = frozenset(
    {
        "help",
        "version",
        "collectstatic",
        "findstatic",
        "messages",
        "spectacular",
        "diffsettings",
        "wecom_simulator",
    }
)


def embedded_engines() -> Engines:
    """The engines that this installation must bring along itself."""
    return Engines(
        settings.PLACE,
        with_postgres=settings.EMBEDDED,
        with_valkey=settings.EMBEDDED_VALKEY,
    )


def needs_engines(arguments: list[str]) -> bool:
    if len(arguments) < 2 or not (settings.EMBEDDED or settings.EMBEDDED_VALKEY):
        return False
    return arguments[1] not in WITHOUT_ENGINES and not {"--help", "-h", "--version"} & set(
        arguments
    )


def run(arguments: list[str]) -> None:
    if not needs_engines(arguments):
        execute_from_command_line(arguments)
        return
    try:
        with engines_for_a_command(embedded_engines()):
            execute_from_command_line(arguments)
    except EngineError as error:
        sys.exit(str(error))
