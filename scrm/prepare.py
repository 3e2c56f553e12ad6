"""Bring an installation up to date: python -m scrm.prepare [--demo]. Safe to repeat.

Migrations, translations, static files; with --demo also the demonstration data and a first
access, once. Progress goes to stdout as JSON lines, for the launcher; everything else to stderr.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import time

import django


class Progress(io.TextIOBase):
    """Counts the lines of a command that report a finished part, and tells them as they come."""

    def __init__(self, step: str, *, total: int, mark: str) -> None:
        self.step, self.total, self.mark, self.done, self.last = (
            step,
            total,
            re.compile(mark),
            0,
            "",
        )

    def write(self, text: str) -> int:
        self.done += len(self.mark.findall(text))
        if text.strip():
            self.last = text.strip().splitlines()[-1]
        sys.stderr.write(text)
        tell(step=self.step, done=self.done, total=self.total)
        return len(text)


def tell(**event: object) -> None:
    print(json.dumps(event, ensure_ascii=False), file=sys.stdout, flush=True)  # noqa: T201


def migrate() -> str:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    total = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    known = len(executor.loader.graph.nodes)
    out = Progress("migrate", total=total, mark=r"\bOK\b")
    call_command("migrate", interactive=False, no_color=True, stdout=out)
    return f"{total} / {known}"


def translate() -> None:
    from scrm.shared.catalogues import compile_catalogues

    compile_catalogues()


def collect_static_files() -> str:
    from django.core.management import call_command

    out = Progress("static", total=0, mark=r"^\d+ static files")
    call_command("collectstatic", interactive=False, verbosity=1, stdout=out)
    return out.last


def load_demo() -> str:
    """Only into an empty installation: what people made is never touched."""
    from django.core.management import call_command, get_commands

    from scrm.accounts.models import Enterprise

    if Enterprise.objects.exists() or "seed_demo" not in get_commands():
        return ""
    out = Progress("demo", total=0, mark=r"$^")
    call_command("seed_demo", stdout=out)
    return out.last


def run(*, demo: bool) -> None:
    steps = {"migrate": migrate, "static": prepare_files}
    if demo:
        steps = {"migrate": migrate, "demo": load_demo, "static": prepare_files}
    for name, step in steps.items():
        began = time.monotonic()
        tell(step=name, done=0, total=0)
        note = step()
        tell(step=name, finished=True, note=note, seconds=round(time.monotonic() - began, 1))
    if demo:
        from scrm.first_access import give_first_access

        access = give_first_access()
        tell(step="access", finished=True, **access)


def prepare_files() -> str:
    translate()
    return collect_static_files()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scrm.prepare", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="demonstration data and a first access")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scrm.settings")
    os.environ.setdefault("SCRM_STATEMENT_TIMEOUT_MS", "0")  # a migration may take its time
    django.setup()
    run(demo=options.demo)


if __name__ == "__main__":
    main()
